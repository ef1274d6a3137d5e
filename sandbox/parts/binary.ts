/** One program that no Debian package holds: compiled here, or taken from a ready-made archive of the same content. */
export interface Binary {
  readonly version: string;
  /** file in the folder of ready-made parts; unpacks to `bin/` and perhaps `share/` */
  readonly archive: string;
  readonly source: GoModule | Crate;
}

/** A program from the Go module proxy; its go.mod is in `parts/go/<name>/`. */
export interface GoModule {
  readonly language: "go";
  readonly module: string;
  readonly outputs: readonly GoOutput[];
  /** the module also holds the sources of a web interface, to be built with npm */
  readonly webInterface?: true;
}

/** One `go build`. */
export interface GoOutput {
  /** path below the result: `bin/vault` */
  readonly path: string;
  readonly package: string;
  readonly tags?: string;
}

/** A program from the crate registry. It takes hours, so it is compiled on demand only (`sandbox rustfs`). */
export interface Crate {
  readonly language: "rust";
  readonly crate: string;
}

export const BINARIES = {
  vault: {
    version: "1.21.2",
    archive: "vault.tar.xz",
    source: {
      language: "go",
      module: "github.com/hashicorp/vault",
      outputs: [
        // minimal: without the cloud back ends, which nobody uses here and which triple the time to compile
        { path: "bin/vault", package: "github.com/hashicorp/vault", tags: "minimal" },
        {
          path: "bin/vault-plugin-database-postgresql",
          package: "github.com/hashicorp/vault/plugins/database/postgresql/postgresql-database-plugin",
        },
      ],
    },
  },
  gitea: {
    version: "1.26.0",
    archive: "gitea.tar.xz",
    source: {
      language: "go",
      module: "code.gitea.io/gitea",
      outputs: [{ path: "bin/gitea", package: "code.gitea.io/gitea" }],
      webInterface: true,
    },
  },
  runner: {
    version: "1.0.8",
    archive: "runner.tar.xz",
    source: {
      language: "go",
      module: "gitea.com/gitea/runner",
      outputs: [{ path: "bin/gitea-runner", package: "gitea.com/gitea/runner" }],
    },
  },
  versitygw: {
    version: "1.7.0",
    archive: "versitygw.tar.xz",
    source: {
      language: "go",
      module: "github.com/versity/versitygw",
      outputs: [{ path: "bin/versitygw", package: "github.com/versity/versitygw/cmd/versitygw" }],
    },
  },
  rustfs: { version: "1.0.1", archive: "rustfs.tar.xz", source: { language: "rust", crate: "rustfs" } },
} as const satisfies Record<string, Binary>;

export type BinaryName = keyof typeof BINARIES;
