import { z } from "zod";
import { consumersSchema } from "./config-consumers.ts";
import { IMAGES, type ImageName } from "./images.ts";

const port = z
  .union([z.number(), z.string().regex(/^\d+$/).transform(Number)], "is not a port number")
  .refine((value) => Number.isInteger(value) && value >= 1 && value <= 65535, "is not a port number");
const HOST_NAME = /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/;
const IPV4 = /^((25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(25[0-5]|2[0-4]\d|1?\d?\d)$/;
const text = (what: string): z.ZodString => z.string(`is not ${what}`);
const hostName = text("a host name").regex(HOST_NAME, "is not a host name (lower case, at least two labels)");
const address = text("a host name or an IPv4 address").refine(
  (value) => HOST_NAME.test(value) || IPV4.test(value) || /^[a-z0-9][a-z0-9-]*$/.test(value),
  "is not a host name or an IPv4 address",
);
const publicKey = (what: string): z.ZodString =>
  text(what).regex(
    /^(ssh-ed25519|ecdsa-sha2-nistp256|ssh-rsa) [A-Za-z0-9+/]{60,}={0,2}$/,
    `is not ${what} (type and base64, without a comment)`,
  );
const sshTarget = {
  address,
  user: text("a user name")
    .regex(/^[a-z_][a-z0-9_-]{0,31}$/, "is not a user name")
    .default("root"),
  port: port.default(22),
  hostKey: publicKey("a public host key"),
};
const offsite = z.strictObject({
  ...sshTarget,
  restPort: port.default(8000),
  maxSize: text("a size")
    .regex(/^[1-9]\d{0,5}[MGT]$/, "is not a size such as 500G or 2T")
    .optional(),
});
const repository = z.strictObject({
  repository: text("a restic repository")
    .refine((value) => !value.startsWith("sftp:"), {
      error: "is an SFTP repository, and the backup job has no SSH client (docs/decisions.md, 20)",
      abort: true,
    })
    .regex(
      /^s3:https?:\/\/[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d{1,5})?(?:\/[\w.-]+)+$/,
      "is not s3:https://HOST/BUCKET or s3:https://HOST/BUCKET/PATH",
    ),
  accessKeyId: text("an access key id").regex(/^[\w+/=.-]{3,128}$/, "is not an access key id"),
  // As it stands in the stack's file where Pulumi has not decrypted it.
  secretAccessKey: z.union(
    [text("a secret access key").regex(/^\S{8,256}$/), z.strictObject({ secure: z.string() })],
    "is not a secret access key",
  ),
  region: text("a region")
    .regex(/^[a-z0-9-]{1,64}$/, "is not a region")
    .default("us-east-1"),
});
// Only characters that mean nothing to a shell, to JSON and to the web server's configuration, into all of which it goes.
const email = text("an e-mail address").regex(/^[\w.+-]+@[\w-]+(\.[\w-]+)+$/, "is not an e-mail address");
const filePath = text("an absolute path on the VM").regex(
  /^(\/(?!\.\.?\/)[\w.-]+)+\/[\w.-]+$/,
  "is not the absolute path of a file in a directory on the VM",
);
const forgeName = text("a forge name").regex(
  /^[a-z0-9](?:[a-z0-9]|[-_.](?=[a-z0-9])){0,38}$/,
  "is not a forge name (lower-case letters, digits, single - _ . between them, at most 39)",
);
const flag = z.union([z.boolean(), z.stringbool({ truthy: ["true"], falsy: ["false"] })], "is not true or false");
const imageReference = text("an image reference").regex(
  /^[a-z0-9][a-z0-9.:_/-]*:[\w][\w.-]{0,127}@sha256:[0-9a-f]{64}$/,
  "is not a pinned image reference (repo:tag@sha256:…)",
);

// Names that Forgejo keeps for its own routes; it refuses them only when the admin is created, long after `up` began.
export const RESERVED_FORGE_NAMES = ["admin", "api", "assets", "explore", "ghost", "org", "repo", "user", "v2"];

/** Shape of the `foundation:*` configuration: keys, types, defaults. What two values say together is judged in config.ts. */
const schema = z.strictObject({
  domain: hostName,
  sites: z
    .strictObject(
      { home: hostName.optional(), git: hostName.optional(), vault: hostName.optional(), s3: hostName.optional() },
      "is not an object",
    )
    .default({}),
  host: z.strictObject(sshTarget, "is not an object"),
  tls: z.discriminatedUnion(
    "mode",
    [
      z.strictObject({ mode: z.literal("internal") }),
      z.strictObject({
        mode: z.literal("acme"),
        email,
        directory: text("a URL")
          .regex(/^https:\/\/[\w.:/-]+$/, "is not an https URL")
          .default("https://acme-v02.api.letsencrypt.org/directory"),
      }),
      z.strictObject({ mode: z.literal("files"), certificate: filePath, key: filePath }),
    ],
    "is not one of: internal, acme, files",
  ),
  offsite: z.union([z.literal("none"), offsite], "is neither a second host nor none"),
  forge: z.strictObject(
    {
      admin: forgeName.refine((name) => !RESERVED_FORGE_NAMES.includes(name), "is a name that the forge reserves"),
      adminEmail: email,
      organisation: forgeName.refine(
        (name) => !RESERVED_FORGE_NAMES.includes(name),
        "is a name that the forge reserves",
      ),
      sshPort: port.default(2222),
      repository: forgeName
        .refine((name) => !/\.(git|wiki|rss|atom)$/.test(name), "is a name that the forge reserves")
        .default("foundation"),
      deployKey: publicKey("a public SSH key").optional(),
    },
    "is not an object",
  ),
  size: z.enum(["s", "m", "l"], "is not one of: s, m, l").default("s"),
  backup: z
    .strictObject(
      {
        every: text("an interval")
          .regex(/^(\d+m|\d+h)$/, "is not an interval such as 15m or 1h")
          .default("15m"),
      },
      "is not an object",
    )
    .default({ every: "15m" }),
  seed: text("auto, fresh, a snapshot id or a time")
    .regex(
      /^(auto|fresh|[0-9a-f]{8,64}|\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))$/,
      "is not auto, fresh, a snapshot id (8 to 64 hex digits) or a time (2026-01-31T12:00:00Z)",
    )
    .refine((value) => !value.includes("T") || !Number.isNaN(Date.parse(value)), "is not a time of any day")
    .default("auto"),
  images: z.partialRecord(z.enum(Object.keys(IMAGES) as ImageName[]), imageReference, "is not an object").default({}),
  registryMirror: text("a registry address")
    .regex(/^[a-z0-9][a-z0-9.-]*(:\d+)?(\/[a-z0-9._/-]+)?$/, "is not a registry address (host:port/path, no scheme)")
    .optional(),
  consumers: consumersSchema,
  runner: z
    .strictObject(
      {
        enabled: flag.default(false),
        isolation: z.enum(["rootless", "container"], "is not one of: rootless, container").default("rootless"),
      },
      "is not an object",
    )
    .default({ enabled: false, isolation: "rootless" }),
  subnet: text("a private IPv4 /16")
    .regex(/^(10\.(25[0-5]|2[0-4]\d|1?\d?\d)|172\.(1[6-9]|2\d|3[01])|192\.168)\.0\.0\/16$/, "is not a private IPv4 /16")
    .default("172.30.0.0/16"),
  keyDirectory: text("a path")
    .regex(/^[\w@%+=:,./ -]+$/, "is not a path (letters, digits and @%+=:,./ - only)")
    .default("keys/stacks"),
  vaultTunnelPort: port.default(18200),
  drill: z
    .strictObject(
      {
        asVm: text("the id of a VM")
          .regex(/^[0-9a-f]{32}$/, "is not the id of a VM (32 hex digits)")
          .optional(),
        keyHint: text("the id of a key")
          .regex(/^[0-9a-f]{64}$/, "is not the id of a key (64 hex digits)")
          .optional(),
      },
      "is not an object",
    )
    .optional(),
});
const withRepository = schema.extend({ offsite: repository });

/** The schema that a configuration is to follow: the offsite is a host of ours, or a repository elsewhere. */
export function schemaFor(raw: Readonly<Record<string, unknown>>): typeof schema | typeof withRepository {
  const { offsite: given } = raw;
  return typeof given === "object" && given !== null && "repository" in given ? withRepository : schema;
}

/** Configuration whose single values are right. */
export type Parsed = z.infer<typeof schema> | z.infer<typeof withRepository>;
