import { spawn } from "node:child_process";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import ssh2 from "ssh2";
import { newSshKey } from "../ssh-key.ts";

/** An SSH server on loopback that runs commands on this machine, for the system's ssh to talk to. */
export interface SshServer {
  readonly port: number;
  /** `ssh-ed25519 AAAA…` */
  readonly hostKey: string;
  close(): void;
}

/** @param accepts public keys that may log in, `ssh-ed25519 AAAA…` */
export async function startSshServer(accepts: readonly string[]): Promise<SshServer> {
  const host = newSshKey();
  const server = new ssh2.Server({ hostKeys: [host.private] }, (client) => {
    client.on("authentication", (attempt) => {
      const key = attempt.method === "publickey" ? attempt.key : undefined;
      if (key && accepts.includes(`${key.algo} ${key.data.toString("base64")}`)) attempt.accept();
      else attempt.reject(["publickey"]);
    });
    client.on("error", () => undefined);
    client.on("session", (accept) => {
      accept().on("exec", (acceptExec, _reject, { command }) => {
        const channel = acceptExec();
        const child = spawn("sh", ["-c", command]);
        channel.pipe(child.stdin);
        child.stdout.pipe(channel, { end: false });
        child.stderr.pipe(channel.stderr, { end: false });
        child.on("close", (code) => {
          channel.exit(code ?? 1);
          channel.end();
        });
      });
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const [type, blob] = host.public.split(" ");
  return { port: (server.address() as AddressInfo).port, hostKey: `${type} ${blob}`, close: () => server.close() };
}
