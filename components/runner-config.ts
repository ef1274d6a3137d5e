/** What the runner's configuration says beside what is the same in every foundation. */
export interface RunnerSettings {
  readonly forgeUrl: string;
  readonly vaultUrl: string;
  readonly uuid: string;
  /** undefined where jobs run in the runner's own container */
  readonly containers?:
    | undefined
    | {
        /** of jobs that name none */
        readonly image: string;
        /** where the foundation's sites are for jobs */
        readonly door: string;
        readonly sites: readonly string[];
      };
}

/** The name that workflows ask for: `runs-on: foundation`. */
export const LABEL = "foundation";

/** Files that rootless jobs see of the VM; the directory is the script's, runner-rootless.sh. */
export const JOB_CERTIFICATES = "/var/lib/foundation-runner/ca.crt";

/** Where a job finds the certificates that it trusts, whatever it is isolated by. */
const CERTIFICATES = "/etc/foundation/ca.crt";

/** config.yml of the runner. */
export function runnerConfig({ forgeUrl, vaultUrl, uuid, containers }: RunnerSettings): string {
  return `log:
  level: info
runner:
  # One job at a time: the limits of jobs are those of one, and none has a neighbour.
  capacity: 1
  timeout: 3h
  shutdown_timeout: 1m
  # Each of these is asked by other programs.
  envs:
    SSL_CERT_FILE: ${CERTIFICATES}
    GIT_SSL_CAINFO: ${CERTIFICATES}
    NODE_EXTRA_CA_CERTS: ${CERTIFICATES}
    VAULT_ADDR: ${vaultUrl}
cache:
  # A cache beside the runner would be one more thing that jobs share; the action \`cache\` keeps it in the forge.
  enabled: false
${containers ? containerSection(containers) : ""}server:
  connections:
    foundation:
      url: ${forgeUrl}
      uuid: ${uuid}
      token_url: file:/etc/foundation/token
      labels:
        - ${LABEL}:${containers ? `docker://${containers.image}` : "host"}
`;
}

function containerSection({ door, sites }: NonNullable<RunnerSettings["containers"]>): string {
  const hosts = sites.map((site) => ` --add-host ${site}:${door}`).join("");
  return `container:
  # The engine is asked through DOCKER_HOST, and no job gets to see its socket.
  docker_host: "-"
  # A network of its own for each job and its services.
  network: ""
  privileged: false
  options: --volume ${JOB_CERTIFICATES}:${CERTIFICATES}:ro${hosts}
  valid_volumes:
    - ${JOB_CERTIFICATES}
  force_pull: false
`;
}

/** The name of a job's image in the jobs' own store, where it is put by its digest. @param reference `repo:tag@sha256:…` */
export function storedJobImage(reference: string): string {
  return `localhost/foundation-job:${reference.slice(-64).slice(0, 16)}`;
}
