import type { Agent } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { EXIT, UserError } from "../../errors.ts";
import { connect } from "../../unseal-helper/exec.ts";
import { sendRequest, sshAgent } from "../../unseal-helper/ssh-transport.ts";

const env = { PATH: "/usr/bin:/bin" };
let agent: Agent;

afterEach(() => agent.destroy());

/** One request, answered by what a shell script says in the place of `ssh -W`. */
async function ask(script: string): Promise<unknown> {
  const unreachable = (code: number, stderr: string): UserError =>
    new UserError(`vm: ${code} ${stderr}`, "ssh", EXIT.unreachable);
  agent = sshAgent(() => connect(["sh", "-c", script], env), unreachable);
  const status = { method: "GET", path: "sys/seal-status" } as const;
  return await sendRequest(agent, status).catch((error: unknown) => error);
}

const answer = (body: string, length = body.length): string =>
  `read line; printf 'HTTP/1.1 200 OK\\r\\nContent-Length: ${length}\\r\\n\\r\\n%s' '${body}'`;

describe("a request through ssh", () => {
  it("brings back the whole answer", async () => {
    expect(await ask(answer('{"sealed":true}'))).toEqual({ status: 200, body: { sealed: true } });
    expect(await ask("read line; printf 'HTTP/1.1 204 No Content\\r\\n\\r\\n'")).toEqual({ status: 204, body: {} });
  });

  it.each([
    ["an answer that was cut off", answer('{"sealed":tr', 100), "vault: ECONNRESET"],
    ["a connection that was cut before it", "read line", "vault: ECONNRESET"],
    ["half a line of it", "read line; printf 'HTTP/1.1 2'", "vault: ECONNRESET"],
    ["something that is not JSON", answer("<html>"), "vault: the answer is not JSON"],
    ["a list", answer("[1]"), "vault: the answer is not JSON"],
    ["an answer without end", `${answer("", 9_999_999)}; yes`, "vault: answer too long"],
    ["a port on which nothing listens", "echo 'open failed: connect failed' >&2; exit 255", "vault: nothing answers"],
    ["a VM that is not there", "echo 'No route to host' >&2; exit 255", "vm: 255 No route to host"],
    ["no ssh program", "exit 127", "vm: 127 "],
  ])("tells %s", async (_, script, message) => {
    const error = await ask(script);
    expect(error).toBeInstanceOf(UserError);
    expect(error).toMatchObject({ message, exitCode: EXIT.unreachable });
  });
});
