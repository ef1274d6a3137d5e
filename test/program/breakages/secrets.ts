import { generate } from "../../../review/placeholders.ts";
import { PASSPHRASE } from "../fixture.ts";
import type { Breakages } from "./graph-copy.ts";

const FORGEJO = "Container forgejo";
const password = generate("forgejo-database-password");
const base64 = (text: string): string => Buffer.from(text).toString("base64");

export const secretBreakages: Breakages = {
  "secrets: none in clear in an input": [
    [(g) => g.get(FORGEJO).inputs.envs.push(`PASSWD=${password}`), "Container forgejo: envs[4] shows a secret"],
    [
      (g) =>
        (g.get(FORGEJO).inputs.command = ["-c", base64(`x${password}`), base64(`xx${password}`), base64(password)]),
      "Container forgejo: command[1] shows a secret",
      "Container forgejo: command[2] shows a secret",
      "Container forgejo: command[3] shows a secret",
    ],
    [
      (g) => (g.get(FORGEJO).inputs.labels[0].value = Buffer.from(password).toString("hex")),
      "Container forgejo: labels[0].value shows a secret",
    ],
    [
      (g) => (g.get("Command vault-ensure").inputs.environment = { PASSPHRASE }),
      "Command vault-ensure: environment.PASSPHRASE shows a secret",
    ],
    [(g) => (g.get(FORGEJO).inputs.tmpfs = { [password]: "" }), `Container forgejo: tmpfs.${password} shows a secret`],
    [(g) => (g.get("SecretV2 forgejo-database").secrets = []), "SecretV2 forgejo-database: dataJson shows a secret"],
    [
      (g) => (g.get("CertRequest ca-intermediate-request").secrets = []),
      "CertRequest ca-intermediate-request: privateKeyPem shows a secret",
    ],
    [(g) => (g.get("Forgejo forgejo").outputs = { password }), "Forgejo forgejo: outputs.password shows a secret"],
  ],
  "secrets: none in an output of the stack": [
    [
      (g) => {
        g.run.outputs.database = { url: `postgres://forgejo:${password}@postgres/forgejo` };
        g.run.secretOutputs.push("credentials.forgejoAdmin");
      },
      "output credentials.forgejoAdmin: is secret",
      "output database.url: shows a secret",
    ],
  ],
  "secrets: only where secrets go": [
    [(g) => g.get(FORGEJO).secrets.push("envs[0]"), "Container forgejo: envs[0] holds a secret"],
    [(g) => g.get("Command forgejo-admin").secrets.push("create"), "Command forgejo-admin: create holds a secret"],
  ],
  "secrets: what goes there is secret as a whole": [
    [(g) => (g.get("Command vault-files").secrets = ["connection"]), "Command vault-files: stdin is not secret"],
    [(g) => (g.get("vault vault").secrets = ["authLogin.parameters"]), "vault vault: authLogin is not secret"],
  ],
  "secrets: environment variables name files": [
    [
      (g) => g.get(FORGEJO).inputs.envs.push("S3_ACCESS_KEY=x", "DB_PASSWORD=x", "DB_PASSWORD_FILE=/x"),
      "Container forgejo: environment variable S3_ACCESS_KEY",
      "Container forgejo: environment variable DB_PASSWORD",
    ],
  ],
  "secrets: generated ones are long and plain, and secret in state": [
    [
      (g) => {
        const key = g.get("RandomPassword s3-secret-key");
        key.inputs = { length: 12 };
        key.additionalSecretOutputs = [];
      },
      "RandomPassword s3-secret-key: length 12",
      "RandomPassword s3-secret-key: special unset is not false",
      "RandomPassword s3-secret-key: result is kept in clear",
    ],
  ],
};
