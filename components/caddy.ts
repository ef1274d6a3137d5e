import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { BackupSource } from "./backup-source.ts";
import { landingPage, type LandingPage } from "./landing-page.ts";
import type { PulledImage } from "./images.ts";
import { deliverFiles } from "./secret-files.ts";
import { service, type Attachment } from "./service.ts";
import { ENDPOINTS, jobsDoor } from "./topology.ts";
import type { Vm } from "./vm.ts";

/** Host names and what stands behind them. */
export interface CaddySites {
  readonly home: string;
  readonly git: string;
  readonly vault: string;
  readonly s3: string;
}

/** Where certificates come from; file paths are on the VM. */
export type CaddyTls =
  | { readonly mode: "internal" }
  | { readonly mode: "acme"; readonly email: string; readonly directory: string }
  | { readonly mode: "files"; readonly certificate: string; readonly key: string };

interface CaddyArgs {
  readonly vm: Vm;
  readonly image: PulledImage;
  readonly volume: docker.Volume;
  readonly memoryMiB: number;
  readonly sites: CaddySites;
  readonly tls: CaddyTls;
  /** whether a runner shares a network with it */
  readonly withRunner: boolean;
  readonly landing: LandingPage;
  /** the internal CA, PEM */
  readonly ca: {
    readonly rootCertificate: pulumi.Input<string>;
    readonly intermediateCertificate: pulumi.Input<string>;
  };
  readonly intermediateKeyPem: string;
}

/** The only public door: TLS, and nothing that the services behind it would have to know about it. */
export class Caddy extends pulumi.ComponentResource {
  static readonly stage = 6;
  static readonly backup: BackupSource = { volumes: [{ volume: "caddy-data", by: "files" }] };

  constructor(name: string, args: CaddyArgs, opts?: pulumi.ComponentResourceOptions) {
    super("foundation:index:Caddy", name, {}, opts);
    const parent = { parent: this };
    const { vm, sites } = args;
    const files = deliverFiles(
      name,
      vm,
      {
        owner: "1000:1000",
        files: {
          Caddyfile: caddyfile(sites, args.tls),
          "index.html": landingPage(args.landing),
          "ca.crt": args.ca.rootCertificate,
          "intermediate.crt": args.ca.intermediateCertificate,
          "intermediate.key": args.intermediateKeyPem,
        },
      },
      parent,
    );
    const certificates: Record<string, string> =
      args.tls.mode === "files" ? { "/etc/tls": directoryOf(args.tls.certificate) } : {};
    service(
      name,
      vm,
      {
        ...SERVICE,
        image: args.image,
        memoryMiB: args.memoryMiB,
        files,
        volumes: { "/data": args.volume },
        hostDirectories: certificates,
        networks: attachments(sites, args.withRunner ? jobsDoor(vm.subnetPrefix) : undefined),
      },
      parent,
    );
    this.registerOutputs({});
  }
}

/** What is the same in every foundation. */
const SERVICE = {
  user: "1000:1000",
  filesAt: "/etc/caddy",
  tmpfs: {
    "/config": "uid=1000,gid=1000,mode=0700,size=1m",
    "/run/caddy": "uid=1000,gid=1000,mode=0700,size=1m",
    "/tmp": "mode=1777,size=16m",
  },
  ports: [
    { internal: 80, external: 80 },
    { internal: 443, external: 443 },
    { internal: 443, external: 443, protocol: "udp" },
  ],
  environment: { XDG_CONFIG_HOME: "/config", XDG_DATA_HOME: "/data" },
  command: ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"],
  // The binary carries this capability and cannot be executed in a container that lacks it.
  capabilities: ["CAP_NET_BIND_SERVICE"],
  healthCommand: ["curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:8081/healthz"],
  graceSeconds: 20,
  startSeconds: 60,
} as const;

/** Inside the networks the public names lead straight here: a webhook of the forge reaches it without leaving the VM. */
function attachments(sites: CaddySites, address: string | undefined): Attachment[] {
  const aliases = Object.values(sites);
  return [
    { network: "caddy-forgejo", aliases },
    { network: "caddy-vault", aliases },
    { network: "caddy-rustfs" },
    { network: "caddy-public" },
    ...(address === undefined ? [] : [{ network: "runner-caddy" as const, aliases, address }]),
  ];
}

const directoryOf = (path: string): string => path.slice(0, path.lastIndexOf("/"));
const fileOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

/** Vault's paths that would let anybody outside disturb the seal or read the raft store; only the SSH tunnel has them. */
const REFUSED_VAULT_PATHS = [
  "/v1/sys/generate-operation-token*",
  "/v1/sys/generate-recovery-token*",
  "/v1/sys/generate-root*",
  "/v1/sys/init*",
  "/v1/sys/pprof*",
  "/v1/sys/raw*",
  "/v1/sys/rekey*",
  "/v1/sys/rotate*",
  // Not /v1/sys/seal*: the UI needs seal-status.
  "/v1/sys/seal",
  "/v1/sys/seal/*",
  "/v1/sys/step-down*",
  "/v1/sys/storage/raft*",
  "/v1/sys/unseal*",
];

/** The whole Caddyfile. */
export function caddyfile(sites: CaddySites, tlsMode: CaddyTls): string {
  const blocks = [
    globalOptions(tlsMode),
    siteSnippet(tlsMode),
    HEALTH,
    homeSite(sites.home),
    gitSite(sites.git),
    vaultSite(sites.vault),
    s3Site(sites.s3),
  ];
  return blocks.join("\n");
}

function globalOptions(tlsMode: CaddyTls): string {
  return `{
	admin unix//run/caddy/admin.sock
	persist_config off
	grace_period 10s
	skip_install_trust
	log {
		output stdout
		format json
	}
${globalTls(tlsMode)}}
`;
}

function siteSnippet(tlsMode: CaddyTls): string {
  return `(site) {
${siteTls(tlsMode)}	header {
		Strict-Transport-Security "max-age=31536000"
		X-Content-Type-Options nosniff
		Referrer-Policy strict-origin-when-cross-origin
		-Server
	}
}
`;
}

const HEALTH = `http://127.0.0.1:8081 {
	bind 127.0.0.1
	respond /healthz 200
}
`;

function homeSite(name: string): string {
  return `# Plain HTTP serves one thing: the CA certificate, which a client needs before it can trust anything here.
http://${name} {
	handle /ca.crt {
		root * /etc/caddy
		file_server
	}
	handle {
		redir https://{host}{uri} permanent
	}
}

${name} {
	import site
	root * /etc/caddy
	@public path / /ca.crt
	handle @public {
		file_server
	}
	handle {
		respond 404
	}
}
`;
}

function gitSite(name: string): string {
  return `# Git, the API, the OCI registry (/v2/) and the npm registry. Bodies stream: an image layer has no size limit here.
${name} {
	import site
	reverse_proxy ${ENDPOINTS.forgejo} {
		flush_interval -1
		lb_try_duration 20s
		transport http {
			read_timeout 1h
			write_timeout 1h
		}
	}
}
`;
}

function vaultSite(name: string): string {
  return `${name} {
	import site
	@refused path ${REFUSED_VAULT_PATHS.join(" ")}
	handle @refused {
		header Content-Type application/json
		respond \`{"errors":["not available from outside: use the SSH tunnel"]}\` 403
	}
	handle {
		reverse_proxy ${ENDPOINTS.vault}
	}
}
`;
}

function s3Site(name: string): string {
  return `# The Host header passes unchanged: it is part of every S3 signature.
${name} {
	import site
	reverse_proxy ${ENDPOINTS.s3} {
		flush_interval -1
		transport http {
			versions 1.1
			compression off
			keepalive 30s
			read_timeout 10m
			write_timeout 10m
		}
	}
}
`;
}

function globalTls(tlsMode: CaddyTls): string {
  switch (tlsMode.mode) {
    case "internal":
      return `	pki {
		ca local {
			name Foundation
			root {
				cert /etc/caddy/ca.crt
			}
			intermediate {
				cert /etc/caddy/intermediate.crt
				key /etc/caddy/intermediate.key
			}
		}
	}
`;
    case "acme":
      return `	email ${tlsMode.email}\n	acme_ca ${tlsMode.directory}\n`;
    case "files":
      return "";
  }
}

function siteTls(tlsMode: CaddyTls): string {
  switch (tlsMode.mode) {
    case "internal":
      // A week instead of twelve hours: renewal needs no network, but the VM may be off for a weekend.
      return "	tls {\n		issuer internal {\n			lifetime 168h\n		}\n	}\n";
    case "acme":
      return "";
    case "files":
      return `	tls /etc/tls/${fileOf(tlsMode.certificate)} /etc/tls/${fileOf(tlsMode.key)}\n`;
  }
}
