import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { baseImage } from "../base-image.ts";
import { PARTS_BASE } from "../debian.ts";
import { ensureLocalImage } from "../local-image.ts";
import type { Rig } from "../rig.ts";

/** Where a compiler runs, and what it may write. */
export interface GoWorkplace {
  readonly directory: string;
  /** contains `directory`; a compiler in a container sees nothing else of this machine */
  readonly work: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** A Go compiler, on this machine or in a container. */
export interface GoToolchain {
  /** `go1.26.8` */
  readonly version: string;
  readonly run: (argv: readonly string[], place: GoWorkplace) => Promise<void>;
}

/** The newest version that one of the modules asks for. */
const NEEDED = [1, 26] as const;

// CGO off: the result does not depend on the C library of the machine that compiled it. Garbage is collected half as often
// as the compiler would by itself, which is a seventh of its time.
const ENVIRONMENT = { CGO_ENABLED: "0", GOGC: "200" };

/** `go version go1.26.8 linux/amd64` is new enough? */
export function isNewEnough(output: string): boolean {
  const match = /go(\d+)\.(\d+)/.exec(output);
  const [major, minor] = [Number(match?.[1] ?? 0), Number(match?.[2] ?? 0)];
  return major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1]);
}

/** Takes this machine's Go if it is new enough, else Debian's in a container. */
export async function findToolchain(rig: Rig): Promise<GoToolchain> {
  const { stdout, code } = await rig.exec(["go", "version"], { mayFail: true });
  if (code !== 0 || !isNewEnough(stdout)) return containerToolchain(rig);
  return {
    version: stdout.split(" ")[2] ?? "go",
    run: async (argv, { directory, environment }) => {
      await rig.exec(argv, { directory, environment: { ...ENVIRONMENT, ...environment } });
    },
  };
}

async function containerToolchain(rig: Rig): Promise<GoToolchain> {
  const image = await ensureLocalImage(rig, "go", "parts/go/toolchain", baseImage(rig, PARTS_BASE));
  const cache = join(rig.paths.cache, "go");
  mkdirSync(cache, { recursive: true });
  const { stdout } = await rig.exec(["docker", "run", "--rm", "--network=none", image, "go", "version"]);
  const certificates = existsSync(CERTIFICATES) ? CERTIFICATES : undefined;
  const passed = PASSED.filter((name) => rig.environment[name]);
  return {
    version: stdout.split(" ")[2] ?? "go",
    run: async (argv, place) => {
      await rig.exec(containerArgv({ image, cache, passed, certificates, ...place }, argv));
    },
  };
}

/** Variables by which a site says where modules come from. */
const PASSED = ["GOPROXY", "GONOPROXY", "GOSUMDB", "GONOSUMDB", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"];

const CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt";

/** What a compiler's container is given of this machine. */
interface GoContainer extends GoWorkplace {
  readonly image: string;
  /** directory that keeps modules and objects */
  readonly cache: string;
  /** names of variables that are passed on */
  readonly passed: readonly string[];
  /** bundle of trusted authorities: a site may have its own before the module proxy */
  readonly certificates: string | undefined;
}

/** Runs a command beside the compiler in its container. */
export function containerArgv(container: GoContainer, argv: readonly string[]): string[] {
  const { directory, work, cache, certificates, passed, image } = container;
  const environment = { GOPATH: "/go", GOCACHE: "/go/build", ...ENVIRONMENT, ...container.environment };
  return [
    ...["docker", "run", "--rm", "--init", "--network=host", "--workdir", directory],
    ...["--volume", `${work}:${work}`, "--volume", `${cache}:/go`],
    ...(certificates ? ["--volume", `${certificates}:${certificates}:ro`] : []),
    ...Object.entries(environment).flatMap(([name, value]) => ["--env", `${name}=${value}`]),
    ...passed.flatMap((name) => ["--env", name]),
    image,
    ...argv,
  ];
}
