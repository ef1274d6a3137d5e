import type Docker from "dockerode";
import type { ContainerInspectInfo } from "dockerode";
import { setTimeout as sleep } from "node:timers/promises";
import { EXIT, UserError } from "../../../errors.ts";
import { NotReadyError, text, type Created, type Driver, type DriverContext } from "../driver.ts";
import type { Properties } from "../values.ts";
import { checkContainer, containerSpec, updatableLimits } from "./docker-container-spec.ts";
import { dockerError, ifFound, type DockerHosts } from "./docker-hosts.ts";
import { isOwn, requireOwn } from "./docker-ownership.ts";
import { requireName } from "./docker-volume.ts";

/** The daemon changes these on a container that runs. */
const UPDATABLE = ["memory", "memorySwap", "memoryReservation", "restart"];
/** These concern only what is done next: the start, the wait, the stop. */
const RECORDED = ["mustRun", "wait", "waitTimeout", "destroyGraceSeconds"];
/** The real provider records a change of these and leaves the container as it is. */
const NEVER_APPLIED = ["tmpfs", "init", "healthcheck"];
const REPLACED = [
  ...["name", "image", "hostname", "user", "groupAdds", "entrypoints", "command", "envs", "labels", "readOnly"],
  ...["capabilities", "securityOpts", "mounts", "networksAdvanced", "networkMode", "ports", "hosts"],
  ...["logDriver", "logOpts", "shmSize", "stopSignal", "stopTimeout", "ulimits", "sysctls"],
];

const POLL_MILLISECONDS = 250;
const DEFAULT_WAIT_SECONDS = 60;
const LOG_LINES = 15;

/** docker:index/container:Container. */
export function dockerContainer(hosts: DockerHosts): Driver {
  return {
    inputs: [...REPLACED, ...UPDATABLE, ...RECORDED, ...NEVER_APPLIED],
    replaceOn: REPLACED,
    neverApplied: NEVER_APPLIED,
    unordered: [
      ...["envs", "labels", "mounts", "groupAdds", "securityOpts", "hosts", "ulimits", "networksAdvanced"],
      ...["networksAdvanced.aliases", "capabilities.adds", "capabilities.drops"],
    ],
    needsProvider: true,
    // also under another name: the published ports and the volumes are the same
    collides: () => true,
    check: (inputs, { label }) => {
      requireName(inputs["name"], label);
      checkContainer(inputs, label);
    },
    create: (inputs, context) => createContainer(hosts, inputs, context),
    async update({ id, inputs: before }, inputs, changes, context) {
      const { api } = await hosts.connect(context);
      const container = api.getContainer(id);
      try {
        if (changes.some(({ path }) => UPDATABLE.includes(path))) await container.update(updatableLimits(inputs));
        if (before["mustRun"] === false && inputs["mustRun"] !== false) await container.start();
        return outputs(await container.inspect());
      } catch (error) {
        throw dockerError(context.label, "cannot be updated", error);
      }
    },
    async remove({ id, inputs }, context) {
      const { api } = await hosts.connect(context);
      const found = id || (await findOwn(api, inputs, isOwn));
      if (found) await stopAndRemove(api.getContainer(found), inputs, context);
    },
  };
}

async function createContainer(hosts: DockerHosts, inputs: Properties, context: DriverContext): Promise<Created> {
  const { api, apiVersion } = await hosts.connect(context);
  const { options, furtherNetworks } = containerSpec(inputs, apiVersion, context.label);
  let container: Docker.Container;
  try {
    await removeLeftover(api, inputs, context);
    container = await api.createContainer(options);
  } catch (error) {
    throw dockerError(context.label, "cannot be created", error);
  }
  try {
    for (const { name, settings } of furtherNetworks) {
      await api.getNetwork(name).connect({ Container: container.id, EndpointConfig: settings });
    }
    await container.start();
    const state = await untilReady(container, inputs, context);
    return { id: container.id, outputs: outputs(state) };
  } catch (error) {
    throw new NotReadyError({ id: container.id, outputs: {} }, startError(context.label, error));
  }
}

/** What an interrupted run made is not looked at closer: it is made anew. */
async function removeLeftover(api: Docker, inputs: Properties, context: DriverContext): Promise<void> {
  const found = await findOwn(api, inputs, (labels) => {
    requireOwn("container", labels, inputs, context.label);
    return true;
  });
  if (found) await stopAndRemove(api.getContainer(found), inputs, context);
}

/** Id of the container of our name that is there without being in the state. */
async function findOwn(
  api: Docker,
  inputs: Properties,
  accept: (labels: Record<string, string>, inputs: Properties) => boolean,
): Promise<string | undefined> {
  const name = text(inputs["name"]);
  const existing = await ifFound(api.getContainer(name).inspect());
  // the API also finds containers by the beginning of their id
  if (existing?.Name !== `/${name}`) return undefined;
  return accept(existing.Config.Labels, inputs) ? existing.Id : undefined;
}

/** Without destroyGraceSeconds it is killed at once, as by the real provider. Anonymous volumes go with it. */
async function stopAndRemove(container: Docker.Container, inputs: Properties, context: DriverContext): Promise<void> {
  try {
    // 304: it does not run
    await ifFound(container.stop({ t: Number(inputs["destroyGraceSeconds"] ?? 0) })).catch((error: unknown) => {
      if ((error as { statusCode?: number }).statusCode !== 304) throw error;
    });
    await ifFound(container.remove({ v: true, force: true }));
  } catch (error) {
    throw dockerError(context.label, "cannot be removed", error);
  }
}

/** Waits for the container to be healthy where `wait` asks for it, and else only sees that it is there. */
async function untilReady(
  container: Docker.Container,
  inputs: Properties,
  { label, signal }: DriverContext,
): Promise<ContainerInspectInfo> {
  const seconds = Number(inputs["waitTimeout"] ?? DEFAULT_WAIT_SECONDS);
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    const state = await container.inspect();
    const { Running: running, Status: status, ExitCode: exitCode, Health: health } = state.State;
    const gone = !running && (status === "exited" || status === "dead");
    if (gone && inputs["mustRun"] !== false) throw await notReady(container, state, label, `exited with ${exitCode}`);
    if (inputs["wait"] !== true || health?.Status === "healthy") return state;
    if (performance.now() > deadline || signal?.aborted) {
      throw await notReady(container, state, label, `not healthy after ${seconds} s (${health?.Status ?? status})`);
    }
    await sleep(POLL_MILLISECONDS);
  }
}

async function notReady(
  container: Docker.Container,
  state: ContainerInspectInfo,
  label: string,
  what: string,
): Promise<UserError> {
  const probe = state.State.Health?.Log.at(-1)?.Output.trim() ?? "";
  const logs = await container.logs({ stdout: true, stderr: true, tail: LOG_LINES }).catch(() => Buffer.of());
  const lines = [
    ...(probe === "" ? [] : probe.split("\n").map((line) => `  health check: ${line}`)),
    ...demultiplex(logs).map((line) => `  log: ${line}`),
  ];
  return new UserError(
    [`${label}: ${what}`, ...lines].join("\n"),
    `find the cause in the lines above, or on the VM: docker logs ${state.Name.slice(1)}; the next run replaces the container`,
  );
}

/** Lines of a log in Docker's format: frames of a stream number, a length and text. */
export function demultiplex(log: Buffer): string[] {
  let all = "";
  for (let at = 0; at + 8 <= log.length; at += 8 + log.readUInt32BE(at + 4)) {
    all += log.toString("utf8", at + 8, at + 8 + log.readUInt32BE(at + 4));
  }
  return all.split("\n").filter((line) => line !== "");
}

function startError(label: string, error: unknown): UserError {
  const known = dockerError(label, "cannot be started", error);
  if (!/port is already allocated|address already in use/.test(known.message)) return known;
  const hint = "see who listens there on the VM: ss -ltnup; stop it, or publish the service on another port";
  return new UserError(known.message, hint, EXIT.host);
}

function outputs({ Config, NetworkSettings }: ContainerInspectInfo): Properties {
  const networkDatas = Object.entries(NetworkSettings.Networks).map(([networkName, network]) => ({
    networkName,
    ipAddress: network.IPAddress,
    ipPrefixLength: network.IPPrefixLen,
    gateway: network.Gateway,
    macAddress: network.MacAddress,
  }));
  return { hostname: Config.Hostname, networkDatas };
}
