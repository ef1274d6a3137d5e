import { cpSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { once } from "../once.ts";
import type { Rig } from "../rig.ts";
import { makeScratch } from "../scratch.ts";
import { Slots } from "../slots.ts";
import type { GoModule, GoOutput } from "./binary.ts";
import { findToolchain, type GoToolchain } from "./go-toolchain.ts";
import { buildWebInterface } from "./web-interface.ts";

/** One program on its way from the module proxy to the cache. */
interface Compilation {
  readonly name: string;
  readonly version: string;
  readonly source: GoModule;
  /** scratch directory; holds the result until it is complete */
  readonly work: string;
  readonly toolchain: GoToolchain;
}

// The Go compiler uses every core while it compiles and one while it fetches and links: a second one fills the gaps.
const compilers = new Slots(2);

/** `go build` of one program, without the symbols that only a debugger needs: the compiler writes none, the linker none. */
export function goBuildArgv(output: GoOutput, directory: string): string[] {
  const tags = output.tags ? ["-tags", output.tags] : [];
  const reproducible = ["-mod=mod", "-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false", "-ldflags", "-s -w"];
  return ["go", "build", ...reproducible, ...tags, "-o", join(directory, output.path), output.package];
}

/**
 * Compiles a program from the Go module proxy.
 *
 * @param target directory that appears when, and only when, everything in it is complete
 */
export async function compileGo(
  rig: Rig,
  program: Pick<Compilation, "name" | "version" | "source">,
  target: string,
): Promise<void> {
  // Asked once, so that the programs begin in the order in which they are wanted, the slowest first.
  const toolchain = await once("go toolchain", () => findToolchain(rig));
  const work = makeScratch(rig.paths);
  const compilation = { ...program, work, toolchain };
  try {
    await Promise.all([
      compilers.run(() => buildPrograms(rig, compilation)),
      program.source.webInterface ? addWebInterface(rig, compilation) : undefined,
    ]);
    mkdirSync(dirname(target), { recursive: true });
    renameSync(resultOf(work), target);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

const resultOf = (work: string): string => join(work, "result");

async function buildPrograms(rig: Rig, { name, source, work, toolchain }: Compilation): Promise<void> {
  const module = join(work, "module");
  cpSync(join(rig.paths.project, "sandbox", "parts", "go", name), module, { recursive: true });
  for (const output of source.outputs) {
    await rig.progress.step(name, `compiling ${output.path} with ${toolchain.version}`, () =>
      toolchain.run(goBuildArgv(output, resultOf(work)), { directory: module, work }),
    );
  }
}

/** The sources come out of the module's archive, which the module cache would keep read-only. */
async function addWebInterface(rig: Rig, { name, version, source, work, toolchain }: Compilation): Promise<void> {
  const sources = join(work, "sources");
  mkdirSync(sources);
  await rig.progress.step(name, "building the web interface", async () => {
    await toolchain.run(["go", "mod", "download", "-modcacherw", `${source.module}@v${version}`], {
      directory: sources,
      work,
      environment: { GOMODCACHE: sources },
    });
    const checkout = join(sources, `${source.module}@v${version}`);
    await buildWebInterface(rig, checkout);
    for (const directory of ["options", "public", "templates"]) {
      cpSync(join(checkout, directory), join(resultOf(work), "share", directory), { recursive: true });
    }
  });
}
