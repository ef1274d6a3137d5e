import { spawn } from "node:child_process";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deriveSecrets } from "../../keys/derive.ts";
import { openKeyFile } from "../../keys/keyfile.ts";
import { KEY_FILE, PASSPHRASE, RECOVERY_KEY } from "../keys/fixture.ts";
import { FakeVm } from "./fake-vm.ts";
import { FakeWorld } from "./fake-world.ts";

export { PASSPHRASE };

/** How a run of the program ended. */
export interface Result {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** The real program, each run a process of its own, beside a fake VM. */
export class Program {
  readonly vm = new FakeVm();
  readonly keys = join(this.vm.directory, "keys");
  readonly keyFile = join(this.keys, "prod.key.json");
  readonly shareFile = join(this.keys, "prod.shares.json");
  readonly recoveryKey = RECOVERY_KEY;
  /** everything that any run printed */
  output = "";
  masterKey: Buffer = Buffer.alloc(0);

  /** The key file alone: a foundation without a Vault. */
  async createKeys(): Promise<void> {
    mkdirSync(this.keys);
    copyFileSync(KEY_FILE, this.keyFile);
    this.masterKey = await openKeyFile({ path: this.keyFile, passphrase: Buffer.from(PASSPHRASE) });
  }

  /** A Vault that is open and has the shares in the file, as `ensure` leaves it; that this is so, main.test.ts shows. */
  async start(): Promise<void> {
    await this.createKeys();
    await this.vm.start(deriveSecrets(this.masterKey).ownerId);
    const world = new FakeWorld(this.masterKey);
    world.vault = this.vm.vault;
    await world.ensure();
    writeFileSync(this.shareFile, world.file ?? "");
    writeFileSync(join(this.vm.volume, ".foundation-epoch"), `${world.marker}\n`);
  }

  /** With the passphrase in the environment. */
  run(...argv: string[]): Promise<Result> {
    return this.runWith({}, ...argv);
  }

  /** @param input what the descriptors 3 and 4 hold; without `env` the passphrase is in the environment */
  async runWith(
    input: { env?: Record<string, string>; fd3?: string; fd4?: string; cwd?: string },
    ...argv: string[]
  ): Promise<Result> {
    const main = join(import.meta.dirname, "../../unseal-helper/main.ts");
    const env = this.vm.environment(input.env ?? { PULUMI_CONFIG_PASSPHRASE: PASSPHRASE });
    const stdio = ["ignore", "pipe", "pipe", "pipe", "pipe"] as const;
    const cwd = input.cwd ?? process.cwd();
    const child = spawn(process.execPath, [main, "--keys", this.keys, ...argv], { env, cwd, stdio: [...stdio] });
    (child.stdio[3] as NodeJS.WritableStream).on("error", () => undefined).end(input.fd3 ?? "");
    (child.stdio[4] as NodeJS.WritableStream).on("error", () => undefined).end(input.fd4 ?? "");
    const result: Result = { code: null, stdout: "", stderr: "" };
    child.stdout?.on("data", (chunk: Buffer) => (result.stdout += chunk.toString()));
    child.stderr?.on("data", (chunk: Buffer) => (result.stderr += chunk.toString()));
    result.code = await new Promise((resolve) => child.on("close", resolve));
    this.output += result.stdout + result.stderr;
    return result;
  }
}
