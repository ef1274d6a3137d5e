import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { engine, files, onVm, readConfig, writeConfig } from "./rig.ts";

const before = readFileSync(files.config, "utf8");
afterAll(async () => {
  writeFileSync(files.config, before);
  await engine(["up"]);
});

async function startedAt(): Promise<Record<string, string>> {
  const lines = await onVm("docker inspect --format '{{.Name}} {{.State.StartedAt}}' $(docker ps -q)");
  return Object.fromEntries(
    lines
      .trim()
      .split("\n")
      .map((line) => line.slice(1).split(" ") as [string, string]),
  );
}

function steps(json: string): string[] {
  const digest = JSON.parse(json) as { steps: { operation: string; type: string; name: string }[] };
  return digest.steps.map(({ operation, type, name }) => `${operation} ${type} ${name}`).sort();
}

test("a changed image pin replaces one container and touches no other", async () => {
  const config = readConfig();
  const images = config["foundation:images"] as Record<string, string>;
  // The same digest under another tag: another pin, the same content.
  writeConfig(files.config, {
    ...config,
    "foundation:images": { ...images, caddy: (images.caddy ?? "").replace(/:[^:@]+@/, ":next@") },
  });
  const running = await startedAt();

  const preview = await engine(["preview", "--json"]);
  expect(preview.code, preview.stderr).toBe(0);
  const up = await engine(["up", "--json"]);
  expect(up.code, up.stderr).toBe(0);

  const replaced = [
    "replace docker:index/container:Container caddy",
    "replace docker:index/remoteImage:RemoteImage caddy-image",
  ];
  expect(steps(preview.stdout)).toEqual(replaced);
  // The old pin leaves the state after the new one is there; the image itself stays on the VM.
  expect(steps(up.stdout)).toEqual(["delete docker:index/remoteImage:RemoteImage caddy-image", ...replaced]);
  const changed = Object.entries(await startedAt()).filter(([name, time]) => running[name] !== time);
  expect(changed.map(([name]) => name)).toEqual(["caddy"]);
});
