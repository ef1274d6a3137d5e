import type * as pulumi from "@pulumi/pulumi";
import { actionsStream, readActions } from "./actions.ts";
import type { CertificateAuthority } from "./components/certificate-authority.ts";
import type { Credentials } from "./components/credentials.ts";
import { Images } from "./components/images.ts";
import { Runner } from "./components/runner.ts";
import type { Vm } from "./components/vm.ts";
import type { Config } from "./config.ts";

interface StageArgs {
  readonly config: Config;
  readonly vm: Vm;
  readonly ca: CertificateAuthority;
  readonly credentials: Credentials["values"];
}

/**
 * The runner of Actions, where there is to be one, and the image of its jobs, where these have containers of their own.
 *
 * @param pulled what has to be there before an image can be pulled
 * @param ready what has to be there before the runner is
 */
export function runnerStage(
  { config, vm, ca, credentials }: StageArgs,
  pulled: pulumi.ComponentResourceOptions,
  ready: pulumi.ComponentResourceOptions,
): void {
  const { forge, images, runner, sites, sizing } = config;
  if (!runner.enabled) return;
  const image = new Images("runner-image", { runner: images.runner }, pulled).pulled.runner;
  const isRootless = runner.isolation === "rootless";
  const jobImage = isRootless ? new Images("job-image", { job: images.job }, pulled).pulled.job : undefined;
  const about = { image, jobImage, limits: sizing.runner, forge, sites, caCertificate: ca.rootCertificate };
  const actions = actionsStream(readActions());
  new Runner("runner", { vm, ...about, actions, credentials }, ready);
}
