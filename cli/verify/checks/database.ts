import { randomBytes } from "node:crypto";
import { UserError } from "../../../errors.ts";
import { lastLine } from "../../exec.ts";
import { runOnVm } from "../../ssh.ts";
import type { Check } from "../check.ts";

/**
 * Reads the password from the first line of standard input and leaves the rest, SQL, to psql. Over TCP, because the
 * server asks for no password on its socket.
 */
const PSQL =
  "IFS= read -r PGPASSWORD; export PGPASSWORD; " +
  "exec psql --host=127.0.0.1 --username=$1 --dbname=postgres --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1";

/** A row written and read with the superuser's password from Vault. */
export const database: Check = {
  name: "database",
  title: "PostgreSQL",
  async run(context) {
    const { run, target } = context;
    const { username, password } = context.database;
    const value = randomBytes(16).toString("hex");
    // temporary: it is gone with the connection, whatever happens
    const sql = `CREATE TEMPORARY TABLE verify (value text NOT NULL);
INSERT INTO verify VALUES ('${value}');
SELECT value FROM verify;
SHOW server_version;
`;
    const sudo = target.user === "root" ? "" : "sudo -n ";
    const command = `${sudo}docker exec --interactive postgres sh -c '${PSQL}' psql ${username}`;
    const finished = await runOnVm(run, "database", target, command, {
      input: `${password}\n${sql}`,
      timeoutSeconds: 60,
    });
    const [read, version] = finished.stdout.split("\n");
    if (finished.exitCode !== 0 || read !== value) {
      throw new UserError(
        `psql: ${lastLine(finished.stderr) ?? "read something else than was written"}`,
        "look at the server's log: docker logs --tail 50 postgres on the VM",
      );
    }
    return `PostgreSQL ${version}: logged in over TCP, wrote and read a row`;
  },
};
