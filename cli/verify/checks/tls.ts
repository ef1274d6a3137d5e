import { connect } from "node:tls";
import { UserError } from "../../../errors.ts";
import type { Check } from "../check.ts";
import type { VerifyContext } from "../context.ts";

const DAY_MILLISECONDS = 24 * 60 * 60 * 1000;

/** Every site: a chain up to the CA, the right name, plain HTTP sent to HTTPS, HSTS. */
export const transportSecurity: Check = {
  name: "tls",
  title: "TLS",
  async run(context) {
    const names = Object.values<string>({ ...context.sites });
    const days = await Promise.all(names.map((name) => checkSite(context, name)));
    const chain = context.ca === undefined ? "a public CA" : "the foundation's CA";
    return `${names.length} sites: chain to ${chain}, HTTP to HTTPS, HSTS; shortest validity ${Math.min(...days)} days`;
  },
};

async function checkSite(context: VerifyContext, name: string): Promise<number> {
  const days = await validityDays(name, context.ca);
  const plain = await context.http("GET", `http://${name}/some/path?query`);
  const expected = `https://${name}/some/path?query`;
  if (![301, 308].includes(plain.status) || plain.headers.location !== expected) {
    throw wrong(name, `http://${name} answers HTTP ${plain.status}, no redirect to ${expected}`);
  }
  const secure = await context.http("GET", `https://${name}/`);
  const hsts = secure.headers["strict-transport-security"];
  if (!/^max-age=\d{7,}/.test(hsts ?? "")) throw wrong(name, `Strict-Transport-Security: ${hsts ?? "missing"}`);
  return days;
}

/** Days for which the certificate of a site is still valid, once its chain and name have been found right. */
function validityDays(name: string, ca: string | undefined): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: name, port: 443, servername: name, ca, minVersion: "TLSv1.2" }, () => {
      const { valid_to: validTo } = socket.getPeerCertificate();
      socket.end();
      resolve(Math.floor((Date.parse(validTo) - Date.now()) / DAY_MILLISECONDS));
    });
    socket.setTimeout(15_000, () => socket.destroy(new Error("no answer in 15 s")));
    socket.on("error", (error: Error) => {
      reject(wrong(name, error.message));
    });
  });
}

function wrong(site: string, what: string): UserError {
  return new UserError(`${site}: ${what}`, "look at the web server's log: docker logs --tail 50 caddy on the VM");
}
