import { expect, test } from "vitest";
import { killAtSteps } from "./kills.ts";
import { engine, foundation, onVm, sandbox } from "./rig.ts";

const KILLS = 10;
const LINES_BETWEEN_KILLS = 24;

interface Digest {
  readonly result: string;
  readonly changes: Readonly<Record<string, number>>;
  readonly steps: readonly { readonly operation: string; readonly name: string }[];
}

/** Names of the checks that did not pass. */
async function failedChecks(): Promise<string[]> {
  const { code, stdout, stderr } = await foundation(["verify", "--json"]);
  expect(code, stderr).not.toBeNull();
  const { results } = JSON.parse(stdout) as { results: { name: string; outcome: string }[] };
  return results.filter(({ outcome }) => outcome === "failed").map(({ name }) => name);
}

async function digestOf(command: "up" | "preview"): Promise<Digest> {
  const { code, stdout, stderr } = await engine([command, "--json"]);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as Digest;
}

test("a deployment from nothing that is killed ten times at random points converges", async () => {
  await sandbox(["destroy"]);
  const killedAfter = await killAtSteps(
    (options) => sandbox(["up", "--no-verify"], options),
    KILLS,
    LINES_BETWEEN_KILLS,
  );
  const { code, stderr } = await sandbox(["up", "--no-verify"]);
  expect(code, `killed after:\n${killedAfter.join("\n")}\n\n${stderr}`).toBe(0);
  expect(await failedChecks()).toEqual([]);
});

test("a second up changes nothing", async () => {
  for (const command of ["preview", "up"] as const) {
    const { result, changes, steps } = await digestOf(command);
    expect(result).toBe("succeeded");
    expect(Object.entries(changes).filter(([operation, count]) => operation !== "same" && count > 0)).toEqual([]);
    expect(steps).toEqual([]);
  }
});

test("only the three kinds of port are open, the rest is dropped before it reaches a container", async () => {
  expect((await onVm("iptables -S DOCKER-USER")).trim().split("\n")).toContain("-A DOCKER-USER -j FOUNDATION");
  expect(await onVm("docker ps --format '{{.Names}} {{.Ports}}' | sort")).toBe(
    [
      "backup 5432/tcp",
      "caddy 0.0.0.0:80->80/tcp, 0.0.0.0:443->443/tcp, 0.0.0.0:443->443/udp, 2019/tcp",
      "forgejo 0.0.0.0:2222->2222/tcp, 3000/tcp",
      "postgres ",
      "rustfs ",
      "vault 127.0.0.1:8200->8200/tcp",
      "",
    ].join("\n"),
  );
});
