import type { BackupSource } from "./backup-source.ts";

/** Repository of the backup's own account, in which each run leaves its mark. */
export const CANARY = { account: "foundation-backup", repository: "canary" } as const;

/** Changes when a repository is created, renamed, transferred or deleted: each is a directory of that name. */
const LAYOUT =
  "SELECT md5(string_agg(concat_ws(' ', id, lower(owner_name), lower_name), ',' ORDER BY id)) FROM repository";

/** Where it keeps what its tables name. An attachment without a size is a link to somewhere else. */
const OBJECTS = [
  {
    what: "package blobs",
    prefix: "packages/",
    query: `SELECT concat_ws('/', 'packages', left(hash_sha256, 2), substr(hash_sha256, 3, 2), hash_sha256), size, hash_sha256 FROM package_blob`,
  },
  {
    what: "LFS objects",
    prefix: "lfs/",
    query: `SELECT DISTINCT concat_ws('/', 'lfs', left(oid, 2), substr(oid, 3, 2), substr(oid, 5)), size, oid FROM lfs_meta_object`,
  },
  {
    what: "attachments",
    prefix: "attachments/",
    query: `SELECT concat_ws('/', 'attachments', left(uuid::text, 1), substr(uuid::text, 2, 1), uuid), size, '' FROM attachment WHERE size > 0`,
  },
];

/** What the forge has: repositories as files, everything else in its database and in the bucket. */
export const FORGEJO_BACKUP: BackupSource = {
  volumes: [
    {
      volume: "forgejo-data",
      by: "files",
      git: "git/repositories",
      // What it makes anew: search indexes, queues of work, sessions, uploads under way.
      exclude: ["indexers", "queues", "sessions", "tmp", "home/.cache"],
    },
  ],
  databases: [{ name: "forgejo", layout: LAYOUT, references: OBJECTS.map((each) => ({ ...each, bucket: "forgejo" })) }],
  buckets: ["forgejo"],
};
