import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import type { Connection } from "./exec.ts";

/**
 * Gives programs on this machine Vault's address while `work` runs: each connection becomes an `ssh -W` of its own.
 *
 * @param open starts one
 * @param work receives `http://127.0.0.1:PORT`
 */
export async function withForward<T>(open: () => Connection, work: (address: string) => Promise<T>): Promise<T> {
  const connections = new Set<Connection>();
  const server = createServer((socket) => {
    const connection = open();
    connections.add(connection);
    const { stdin, stdout } = connection.child;
    socket.on("error", () => connection.child.kill());
    socket.pipe(stdin);
    stdout.pipe(socket);
    void connection.ended.then(() => {
      connections.delete(connection);
      socket.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  try {
    return await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.close();
    for (const { child } of connections) child.kill();
  }
}
