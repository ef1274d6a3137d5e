import type { VolumeName } from "./topology.ts";

/**
 * How what is on a volume gets into the backup. Every volume is declared by the component that writes to it, so that a
 * new one cannot be forgotten: a test compares the declarations with the volumes.
 */
export type VolumeBackup =
  /** as files; whatever else changes while it is read is excluded */
  | {
      readonly volume: VolumeName;
      readonly by: "files";
      /** directory of bare git repositories in it, whose references are captured before their objects */
      readonly git?: string;
      /** patterns of restic, relative to the volume */
      readonly exclude?: readonly string[];
    }
  /** through the server that the data belongs to, never as files: dumps of databases, objects of buckets, a snapshot */
  | { readonly volume: VolumeName; readonly by: "database" | "objects" | "snapshot" }
  | { readonly volume: VolumeName; readonly by: "nothing"; readonly reason: string };

/** One kind of object that a database names: the drill looks whether each of them is in the backup. */
export interface ObjectReferences {
  /** for reports, plural: `LFS objects` */
  readonly what: string;
  readonly bucket: string;
  /** what their keys begin with; each is written once and never changed */
  readonly prefix: string;
  /** gives key, size in bytes, and SHA-256 in hex or an empty text */
  readonly query: string;
}

/** A database on the PostgreSQL server, owned by the role of the same name. */
export interface DatabaseBackup {
  readonly name: string;
  /** query whose answer changes when directories beside the database are created, renamed or deleted for it */
  readonly layout?: string;
  readonly references?: readonly ObjectReferences[];
}

/** What a component's state consists of. */
export interface BackupSource {
  readonly volumes: readonly VolumeBackup[];
  readonly databases?: readonly DatabaseBackup[];
  /** buckets on the S3 server */
  readonly buckets?: readonly string[];
}
