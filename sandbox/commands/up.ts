import { Command, Option } from "commander";
import { chmodSync, mkdirSync } from "node:fs";
import type { ImageName } from "../../images.ts";
import { deploy, saveCertificate } from "../deployment.ts";
import { ensureDocker } from "../docker-engine.ts";
import { chooseEngine } from "../engine-choice.ts";
import { takeLock } from "../engine/lock.ts";
import { sandboxFiles } from "../files.ts";
import { ensurePrograms } from "../host-packages.ts";
import { publishCertificate, publishNames } from "../host-names.ts";
import { provide, type ImageMode, type ProvidedImage } from "../images.ts";
import { ensureKeyFile } from "../key-file.ts";
import { requireRoot, type Rig } from "../rig.ts";
import { clearScratch } from "../scratch.ts";
import { backupsAt, readStackConfig, writeStackConfig } from "../stack-config.ts";
import { runVerify } from "../verification.ts";
import { DEFAULT_VMS, ensureVms } from "../vms.ts";
import { formatSummary, type Summary } from "../summary.ts";

const HELP = `
Running it again resumes or updates; what exists is kept. FOUNDATION_PARTS_DIR names a folder of ready-made parts,
FOUNDATION_SANDBOX_DIR the sandbox's own folder, FOUNDATION_DEBIAN_MIRROR a nearer Debian mirror;
FOUNDATION_ENGINE=pulumi|embedded chooses who deploys (the real Pulumi where it is installed).

EXIT STATUS
  0    deployed, and every check passed
  1    the deployment or a check failed
  9    Docker or a program is missing and cannot be installed
  130  interrupted; running it again resumes`;

interface UpOptions {
  readonly images: ImageMode;
  readonly verify: boolean;
  readonly json?: true;
}

/** `sandbox up`: from nothing to a verified foundation. */
export function upCommand(rig: Rig): Command {
  return new Command("up")
    .description("build or pull images, start the VMs, deploy, verify (default)")
    .addOption(
      new Option("--images <mode>", "where images come from").choices(["auto", "pulled", "parts"]).default("auto"),
    )
    .option("--no-verify", "leave out the checks with real clients")
    .option("--json", "the summary as JSON on standard output, all else on standard error")
    .addHelpText("after", HELP)
    .action((options: UpOptions) => up(rig, options));
}

async function up(rig: Rig, { images: mode, verify, json }: UpOptions): Promise<void> {
  requireRoot(rig);
  const { paths, progress } = rig;
  const files = sandboxFiles(paths);
  mkdirSync(paths.sandbox, { recursive: true, mode: 0o700 });
  chmodSync(paths.sandbox, 0o700);
  const release = await takeLock(files.lock);
  try {
    clearScratch(paths);
    await ensurePrograms(rig);
    await ensureDocker(rig);
    const engine = await chooseEngine(rig);
    const provision = await progress.phase("images", () => provide(rig, mode));
    const targets = await progress.phase("virtual machines", () => ensureVms(rig, DEFAULT_VMS, provision));
    const [prod, offsite] = [targets.get("prod"), targets.get("offsite")];
    if (!prod || !offsite) throw new Error("a VM has no address");
    await ensureKeyFile(rig);
    const images = overrides(provision.images);
    writeStackConfig(files.config, { host: prod, offsite, images, keyDirectory: files.keys });
    // The deployment ends with a push to the forge.
    publishNames(prod.address);
    await progress.phase("deployment", () => deploy(rig, engine));
    publishCertificate(await saveCertificate(rig, engine));
    if (verify) await progress.phase("verification", () => runVerify(rig, json));
    const summary: Summary = {
      engine,
      images: provision.images,
      offsite: backupsAt(readStackConfig(files.config), offsite.address),
      phases: progress.phases,
      seconds: progress.seconds,
      files,
    };
    rig.print(json ? JSON.stringify(summary, undefined, 2) : formatSummary(summary));
  } finally {
    release();
  }
}

/** What goes into the configuration: images that the program uses. */
function overrides(images: readonly ProvidedImage[]): Partial<Record<ImageName, string>> {
  return Object.fromEntries(images.map(({ image, reference }) => [image, reference]));
}
