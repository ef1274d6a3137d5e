import { connect } from "node:net";
import { UserError } from "../../../errors.ts";
import type { Check } from "../check.ts";
import type { VerifyContext } from "../context.ts";

/** Ports that services use inside the VM or its networks; none of them may be open from outside. */
const INNER = [2019, 2375, 2376, 3000, 5000, 5432, 8000, 8080, 8081, 8200, 8201, 9000, 9001, 9323];
const PRIVILEGED = Array.from({ length: 1024 }, (_, index) => index + 1);
const CONCURRENCY = 256;
/** A port that drops packets is closed; an open one answers within one round trip. */
const TIMEOUT_MILLISECONDS = 2000;

/** A TCP connect scan of the VM from here: exactly the published ports are open. */
export const closedPorts: Check = {
  name: "ports",
  title: "closed ports",
  async run({ target, forge }: VerifyContext) {
    const expected = [...new Set([target.port, 80, 443, forge.sshPort])].sort((a, b) => a - b);
    const candidates = [...new Set([...PRIVILEGED, ...INNER, ...expected])];
    const open = await scan(target.address, candidates);
    const surplus = open.filter((port) => !expected.includes(port));
    const missing = expected.filter((port) => !open.includes(port));
    if (surplus.length > 0) {
      throw new UserError(
        `open to everybody: ${surplus.join(", ")}`,
        `who listens there, on the VM: ss -ltnp sport = :${surplus[0]}; the filter: iptables -S DOCKER-USER`,
      );
    }
    if (missing.length > 0) {
      throw new UserError(
        `closed, though published: ${missing.join(", ")}`,
        "a firewall in between? docker ps on the VM",
      );
    }
    return `${candidates.length} ports scanned, open: ${expected.join(", ")}`;
  },
};

/** The open ones among the given TCP ports, in ascending order. */
export async function scan(address: string, ports: readonly number[]): Promise<number[]> {
  const remaining = [...ports];
  const open: number[] = [];
  const worker = async () => {
    for (let port = remaining.pop(); port !== undefined; port = remaining.pop()) {
      if (await isOpen(address, port)) open.push(port);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  return open.sort((a, b) => a - b);
}

function isOpen(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (open: boolean) => {
      socket.destroy();
      resolve(open);
    };
    socket.setTimeout(TIMEOUT_MILLISECONDS, () => {
      end(false);
    });
    socket.on("connect", () => {
      end(true);
    });
    socket.on("error", () => {
      end(false);
    });
  });
}
