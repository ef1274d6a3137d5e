import { z } from "zod";
import { EXIT, UserError } from "../errors.ts";

const name = z.string().regex(/^[a-z][a-z0-9_-]{0,62}$/, "is not a plain name");
const relativePath = z.string().regex(/^(?!\.\.?(\/|$))[\w.-]+(\/(?!\.\.?(\/|$))[\w.*-]+)*$/, "is not a relative path");
const url = z.string().regex(/^https?:\/\/[\w.:-]+$/, "is not http://HOST:PORT");
const database = z.strictObject({
  name,
  /** a query whose answer must not change while a set is captured: what the database says about files */
  layout: z.string().optional(),
  /** objects that it names, for the drill: the query gives key, size in bytes, and SHA-256 in hex or an empty text */
  references: z
    .array(
      z.strictObject({
        what: z.string(),
        bucket: z.string(),
        /** of their keys; what is written under it is never written again */
        prefix: z.string(),
        query: z.string(),
      }),
    )
    .default([]),
});
const tree = z.strictObject({
  volume: name,
  path: z.string().regex(/^\/[\w./-]+$/, "is not an absolute path"),
  git: relativePath.optional(),
  exclude: z.array(relativePath).default([]),
});
const schema = z.strictObject({
  version: z.literal(1),
  owner: z.string().regex(/^[0-9a-f]{16}$/, "is not an owner id"),
  vmId: z.string().regex(/^[0-9a-f]{32}$/, "is not the id of a VM"),
  everyMinutes: z.int().min(1).max(1440),
  offsite: z.strictObject({
    url: z
      .string()
      .regex(
        /^(rest:https:\/\/[\w.:[\]-]+\/[\w-]+\/|s3:https?:\/\/[\w.:-]+(\/[\w.-]+)+)$/,
        "is not rest:https://HOST:PORT/USER/ or s3:https://HOST/BUCKET/PATH",
      ),
    /** of the REST server, or the access key id */
    username: z.string().regex(/^[\w+/=.-]+$/, "is not a user name"),
    region: z.string().optional(),
    /** id of the key to try first, of a repository on a host of ours */
    keyHint: z
      .string()
      .regex(/^[0-9a-f]{64}$/, "is not the id of a key")
      .optional(),
  }),
  /** the backups are those of another VM, which goes on with them: nothing is written there */
  readOnly: z.boolean().optional(),
  endpoints: z.strictObject({
    /** HOST:PORT */
    postgres: z.string().regex(/^[\w.-]+:\d+$/, "is not HOST:PORT"),
    s3: url,
    vault: url,
    forge: url,
  }),
  /** where a run leaves its mark in git: the forge's account that the job has, and its repository */
  canary: z.strictObject({ account: name, repository: name }),
  s3Region: z.string(),
  databases: z.array(database).min(1),
  buckets: z.array(z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, "is not a bucket name")),
  trees: z.array(tree),
});

/** What to back up and where to; rendered by the Pulumi program, the same for backup, restore and drill. */
export type Plan = z.infer<typeof schema>;
/** A volume that is backed up as files. */
export type Tree = Plan["trees"][number];

/**
 * Reads plan.json.
 *
 * @param path for messages
 * @throws UserError (config) that names every wrong property
 */
export function parsePlan(path: string, text: string): Plan {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid(path, "not JSON");
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw invalid(
    path,
    parsed.error.issues.map((issue) => [issue.path.join("."), issue.message].filter(Boolean).join(": ")).join("; "),
  );
}

function invalid(path: string, what: string): UserError {
  return new UserError(`${path}: ${what}`, "the Pulumi program writes this file: pulumi up", EXIT.config);
}
