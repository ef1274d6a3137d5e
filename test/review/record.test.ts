import * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { expect, it } from "vitest";
import { record, UNKNOWN, type Recorded, type Recording } from "../../review/record.ts";

class Pair extends pulumi.ComponentResource {
  readonly inner: docker.Volume;

  constructor(name: string, opts?: pulumi.ComponentResourceOptions) {
    super("test:index:Pair", name, {}, opts);
    const nested = new pulumi.ComponentResource("test:index:Nested", `${name}-nested`, {}, { parent: this });
    this.inner = new docker.Volume(`${name}-inner`, { name: `${name}-inner` }, { parent: nested, protect: true });
    new docker.Volume(`${name}-outer`, {}, { parent: this, retainOnDelete: true, ignoreChanges: ["driver"] });
    this.registerOutputs({ visible: this.inner.name });
  }
}

const STACK = "urn:pulumi:test::foundation::pulumi:pulumi:Stack::foundation-test";
const find = ({ resources }: Recording, name: string): Recorded => {
  const found = resources.find((resource) => resource.name === name);
  if (!found) throw new Error(`not recorded: ${name}`);
  return found;
};
const up = (program: () => Promise<unknown> | undefined): Promise<Recording> =>
  record(() => Promise.resolve(program()), { mode: "up" });

it("names resources as the engine does", async () => {
  const recording = await up(() => void new Pair("pair"));
  expect(recording.resources.map(({ urn }) => urn)).toEqual([
    "urn:pulumi:test::foundation::test:index:Pair$docker:index/volume:Volume::pair-outer",
    "urn:pulumi:test::foundation::test:index:Pair$test:index:Nested$docker:index/volume:Volume::pair-inner",
    "urn:pulumi:test::foundation::test:index:Pair$test:index:Nested::pair-nested",
    "urn:pulumi:test::foundation::test:index:Pair::pair",
  ]);
  expect(find(recording, "pair")).toMatchObject({ parent: STACK, custom: false });
  expect(find(recording, "pair-inner")).toMatchObject({ parent: find(recording, "pair-nested").urn, custom: true });
});

it("records options, and the provider that a component hands down", async () => {
  const recording = await up(() => {
    const provider = new docker.Provider("vm", { host: "ssh://root@vm" });
    new Pair("pair", { provider });
    return undefined;
  });
  const provider = "urn:pulumi:test::foundation::pulumi:providers:docker::vm";
  expect(find(recording, "pair-inner")).toMatchObject({
    provider,
    protect: true,
    retainOnDelete: false,
    ignoreChanges: [],
  });
  expect(find(recording, "pair-outer")).toMatchObject({
    provider,
    protect: false,
    retainOnDelete: true,
    ignoreChanges: ["driver"],
  });
});

it("expands a component in dependsOn to the resources in it", async () => {
  const recording = await up(() => {
    const pair = new Pair("pair");
    new docker.Volume("later", {}, { dependsOn: [pair] });
    return undefined;
  });
  expect(find(recording, "later").dependencies).toEqual([
    find(recording, "pair-outer").urn,
    find(recording, "pair-inner").urn,
  ]);
});

it("records dependencies by property", async () => {
  const recording = await up(() => {
    const volume = new docker.Volume("volume", { name: "volume" });
    new docker.Container("box", { image: "box", mounts: [{ type: "volume", source: volume.name, target: "/data" }] });
    return undefined;
  });
  const { urn } = find(recording, "volume");
  expect(find(recording, "box")).toMatchObject({ dependencies: [urn], propertyDependencies: { mounts: [urn] } });
});

it("unwraps secrets and says where they were", async () => {
  const recording = await up(() => {
    new docker.Container("box", {
      image: "box",
      envs: ["A=1", pulumi.secret("B=2")],
      labels: [{ label: "key", value: pulumi.secret("value") }],
    });
    return Promise.resolve({ open: "o", nested: { closed: pulumi.secret("c") } });
  });
  const { inputs, secrets } = find(recording, "box");
  expect(inputs).toMatchObject({ envs: ["A=1", "B=2"], labels: [{ label: "key", value: "value" }] });
  expect(secrets).toEqual(["envs[1]", "labels[0].value"]);
  expect(recording.outputs).toEqual({ open: "o", nested: { closed: "c" } });
  expect(recording.secretOutputs).toEqual(["nested.closed"]);
});

it("keeps what a provider computes as secret as the resource asks for", async () => {
  const program = (): Promise<unknown> => {
    const { result } = new random.RandomPassword("password", { length: 20 });
    new command.local.Command("use", { create: "cat", stdin: result });
    return Promise.resolve(undefined);
  };
  const known = await record(program, { mode: "up", computed: () => ({ result: "generated" }) });
  expect(find(known, "use")).toMatchObject({ inputs: { create: "cat", stdin: "generated" }, secrets: ["stdin"] });
  const unknown = await record(program, { mode: "preview", computed: () => ({ result: "generated" }) });
  expect(find(unknown, "use")).toMatchObject({ inputs: { create: "cat", stdin: UNKNOWN }, secrets: ["stdin"] });
});

it("tells the program whether it is a preview, and withholds ids in the first one", async () => {
  const program = (): Promise<unknown> => {
    const box = new docker.Container("box", { image: "box" });
    new command.local.Command("probe", { create: String(pulumi.runtime.isDryRun()), triggers: [box.id] });
    return Promise.resolve(undefined);
  };
  const probe = async (mode: "preview" | "repreview" | "up") => find(await record(program, { mode }), "probe").inputs;
  expect(await probe("preview")).toEqual({ create: "true", triggers: [UNKNOWN] });
  expect(await probe("repreview")).toEqual({ create: "true", triggers: ["box-id"] });
  expect(await probe("up")).toEqual({ create: "false", triggers: ["box-id"] });
});

it("records what a component registers as outputs", async () => {
  const recording = await up(() => void new Pair("pair"));
  expect(find(recording, "pair").outputs).toEqual({ visible: "pair-inner" });
});

it("keeps a resource that is registered twice, which the engine would refuse", async () => {
  const recording = await up(() => {
    new docker.Volume("data", { name: "a" });
    new docker.Volume("data", { name: "b" });
    return undefined;
  });
  expect(recording.resources.map(({ urn, inputs }) => [urn, inputs.name])).toEqual([
    ["urn:pulumi:test::foundation::docker:index/volume:Volume::data", "a"],
    ["urn:pulumi:test::foundation::docker:index/volume:Volume::data", "b"],
  ]);
});

it("records what the program asks of providers", async () => {
  const recording = await up(async () => {
    await docker.getNetwork({ name: "bridge" });
    docker.Volume.get("data", "data-id");
  });
  expect(recording.calls).toEqual(["docker:index/getNetwork:getNetwork", "read docker:index/volume:Volume"]);
});

it("hands configuration over as Pulumi does, and keeps warnings", async () => {
  let config: unknown;
  const recording = await record(
    async () => {
      config = pulumi.runtime.allConfig();
      await pulumi.log.warn("careful");
    },
    { mode: "up", config: { "foundation:domain": "example.org", "foundation:tls": { mode: "internal" } } },
  );
  expect(config).toEqual({ "foundation:domain": "example.org", "foundation:tls": '{"mode":"internal"}' });
  expect(recording.warnings).toEqual(["warning: [runtime] careful"]);
});

it("throws what the program throws, and can be used again", async () => {
  await expect(
    up(() => {
      throw new Error("no");
    }),
  ).rejects.toThrow("no");
  expect((await up(() => void new Pair("pair"))).resources).toHaveLength(4);
});
