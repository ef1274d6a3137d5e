import { Command } from "commander";
import { ensureDocker } from "../docker-engine.ts";
import { ensurePrograms } from "../host-packages.ts";
import { buildRustfs } from "../parts/crate-build.ts";
import { requireRoot, type Rig } from "../rig.ts";

const HELP = `
It takes hours on a small machine and 7 GB of memory, so \`up\` never does it: the S3 store is versitygw until this is done.
Ctrl-C stops watching, not compiling; the same command watches again.`;

/** `sandbox rustfs`: compiles the real RustFS in the background. */
export function rustfsCommand(rig: Rig): Command {
  return new Command("rustfs")
    .description("compile RustFS from its crate, in the background; the next `up` uses it")
    .addHelpText("after", HELP)
    .action(async () => {
      requireRoot(rig);
      await ensurePrograms(rig);
      await ensureDocker(rig);
      rig.print(`RustFS is in ${await buildRustfs(rig)}; npm run sandbox uses it from now on.`);
    });
}
