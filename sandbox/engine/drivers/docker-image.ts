import { createInterface } from "node:readline";
import { UserError } from "../../../errors.ts";
import { text, type Driver } from "../driver.ts";
import { dockerError, ifFound, type DockerHosts } from "./docker-hosts.ts";

interface PullEvent {
  readonly error?: string;
  readonly errorDetail?: { readonly message?: string };
}

/** docker:index/remoteImage:RemoteImage. Pulled when it is not there; with a digest in its name that is all there is to it. */
export function dockerImage(hosts: DockerHosts): Driver {
  return {
    inputs: ["name", "keepLocally", "forceRemove"],
    replaceOn: ["name"],
    needsProvider: true,
    async create(inputs, context) {
      const { api } = await hosts.connect(context);
      const name = text(inputs["name"]);
      try {
        if (!(await ifFound(api.getImage(name).inspect()))) {
          const { fromImage, tag } = splitReference(name);
          const { signal } = context;
          const events = await api.createImage({ fromImage, tag, ...(signal ? { abortSignal: signal } : {}) });
          await finishPull(events);
        }
        const { Id: imageId, RepoDigests } = await api.getImage(name).inspect();
        return { id: `${imageId}${name}`, outputs: { imageId, repoDigest: RepoDigests[0] ?? "" } };
      } catch (error) {
        throw pullError(context.label, name, error);
      }
    },
    update: (existing) => Promise.resolve(existing.outputs),
    async remove({ inputs }, context) {
      if (inputs["keepLocally"] === true) return;
      const { api } = await hosts.connect(context);
      const image = api.getImage(text(inputs["name"]));
      await ifFound(image.remove({ force: inputs["forceRemove"] === true })).catch((error: unknown) => {
        throw dockerError(context.label, "cannot be removed", error);
      });
    },
  };
}

/** A reference as the pull endpoint takes it. A digest decides alone, also where there is a tag beside it. */
export function splitReference(reference: string): { fromImage: string; tag: string } {
  const [named = "", digest] = reference.split("@");
  const tagAt = named.lastIndexOf(":");
  const hasTag = tagAt > named.lastIndexOf("/");
  const fromImage = hasTag ? named.slice(0, tagAt) : named;
  return { fromImage, tag: digest ?? (hasTag ? named.slice(tagAt + 1) : "latest") };
}

/** The daemon answers 200 and tells of a failure in the progress that follows. */
async function finishPull(events: NodeJS.ReadableStream): Promise<void> {
  for await (const line of createInterface({ input: events })) {
    if (line.trim() === "") continue;
    const { error, errorDetail } = JSON.parse(line) as PullEvent;
    const message = errorDetail?.message ?? error;
    if (message !== undefined) throw new Error(message);
  }
}

function pullError(label: string, name: string, error: unknown): UserError {
  if (error instanceof UserError) return error;
  const { json, message } = error as { json?: { message?: string }; message: string };
  return new UserError(
    `${label}: image ${name}: cannot be pulled: ${(json?.message ?? message).trim()}`,
    "check foundation:images and foundation:registryMirror: the registry must have this digest and be reachable from the VM",
  );
}
