/** Resource limits of one service. Memory is the hard limit; swap is never added to it. */
export interface ServiceLimits {
  readonly memoryMiB: number;
}

/** What a job of Actions may use of the VM; all of it together, whatever it starts. */
export interface JobLimits {
  readonly memoryMiB: number;
  readonly cpus: number;
  readonly processes: number;
  /** images, volumes and working copies; with isolation `container` it is memory */
  readonly diskMiB: number;
}

/** Everything that `foundation:size` decides. */
export interface Sizing {
  readonly postgres: ServiceLimits & {
    /** /dev/shm of the container; parallel queries allocate here */
    readonly sharedMemoryMiB: number;
    readonly sharedBuffersMiB: number;
    readonly maxConnections: number;
  };
  readonly rustfs: ServiceLimits;
  readonly vault: ServiceLimits;
  readonly forgejo: ServiceLimits & {
    /** upper bound of Forgejo's connection pool; must stay below maxConnections */
    readonly databaseConnections: number;
  };
  readonly runner: ServiceLimits & {
    /** what one job may use; there is one at a time */
    readonly job: JobLimits;
  };
  readonly caddy: ServiceLimits;
  /** a drill runs a database server beside restic in it */
  readonly backup: ServiceLimits;
  /** what the VM must have; the preflight refuses less disk and warns about less memory */
  readonly host: { readonly memoryMiB: number; readonly diskGiB: number };
}

/**
 * The one table of sizes. RustFS keeps 2 GiB even in `s`: smaller limits were killed for memory under load
 * (its working set is 300–1100 MiB); a limit is a ceiling and costs nothing while unused. Forgejo needs 2 GiB for two
 * uploads of unknown length at once (avatars, archives, logs and artifacts of jobs): its S3 client (minio-go,
 * putObjectMultipartStreamNoLength) sets 528 MiB aside for each, and 1 GiB was killed when two organisations were made, one after the other.
 */
export const SIZES = {
  s: {
    postgres: { memoryMiB: 768, sharedMemoryMiB: 128, sharedBuffersMiB: 128, maxConnections: 50 },
    rustfs: { memoryMiB: 2048 },
    vault: { memoryMiB: 512 },
    forgejo: { memoryMiB: 2048, databaseConnections: 20 },
    runner: { memoryMiB: 256, job: { memoryMiB: 1024, cpus: 1, processes: 1024, diskMiB: 6144 } },
    caddy: { memoryMiB: 256 },
    backup: { memoryMiB: 768 },
    host: { memoryMiB: 3500, diskGiB: 10 },
  },
  m: {
    postgres: { memoryMiB: 2048, sharedMemoryMiB: 256, sharedBuffersMiB: 512, maxConnections: 100 },
    rustfs: { memoryMiB: 3072 },
    vault: { memoryMiB: 1024 },
    forgejo: { memoryMiB: 3072, databaseConnections: 40 },
    runner: { memoryMiB: 384, job: { memoryMiB: 2048, cpus: 2, processes: 2048, diskMiB: 16_384 } },
    caddy: { memoryMiB: 512 },
    backup: { memoryMiB: 1024 },
    host: { memoryMiB: 7500, diskGiB: 40 },
  },
  l: {
    postgres: { memoryMiB: 6144, sharedMemoryMiB: 1024, sharedBuffersMiB: 1536, maxConnections: 200 },
    rustfs: { memoryMiB: 6144 },
    vault: { memoryMiB: 2048 },
    forgejo: { memoryMiB: 8192, databaseConnections: 80 },
    runner: { memoryMiB: 512, job: { memoryMiB: 4096, cpus: 4, processes: 4096, diskMiB: 40_960 } },
    caddy: { memoryMiB: 1024 },
    backup: { memoryMiB: 2048 },
    host: { memoryMiB: 15500, diskGiB: 100 },
  },
} as const satisfies Record<string, Sizing>;

/** T-shirt size of the whole foundation. */
export type Size = keyof typeof SIZES;
