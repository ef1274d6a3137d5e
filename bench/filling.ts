/**
 * Data on the deployed sandbox that takes as long to back up as real data does: nothing in it is there twice, and little
 * of it can be compressed. Nine twentieths are loose objects of git repositories, nine twentieths are objects in S3 (put
 * there by a client, over TLS), the rest are rows of the forge's database.
 */
import { randomBytes } from "node:crypto";
import { DeleteObjectsCommand, paginateListObjectsV2, PutObjectCommand } from "@aws-sdk/client-s3";
import { inParallel } from "../backup/parallel.ts";
import type { VerifyContext } from "../cli/verify/context.ts";
import { s3Client } from "../test/e2e/load/stores.ts";
import { onVm } from "../test/e2e/rig.ts";

/** How much there is to be; half of the files are objects of git's, half are S3 objects. */
export interface Filling {
  readonly bytes: number;
  readonly files: number;
}

const BUCKET = "forgejo";
const PREFIX = "bench/";
const REPOSITORIES = "/var/lib/gitea/git/repositories/bench";
const FILES_PER_REPOSITORY = 500;
const ROW_BYTES = 1024;

/** Arguments: repositories, bytes in each, bytes of a file. */
const MAKE_REPOSITORIES = `
set -eu
export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
work=/var/lib/gitea/tmp/bench
for r in $(seq "$1"); do
  rm -rf $work; mkdir -p $work; cd $work
  head -c "$2" /dev/urandom | split -a 4 -b "$3" -
  git init --quiet --bare --initial-branch=main ${REPOSITORIES}/r$r.git
  git="git --git-dir=${REPOSITORIES}/r$r.git --work-tree=. -c core.compression=0"
  $git add --all; $git commit --quiet --message=bench
done
rm -rf $work`;

/** Puts it there. What a former bench has left is removed first. */
export async function fill(context: VerifyContext, { bytes, files }: Filling): Promise<void> {
  await clear(context);
  const [half, share] = [Math.ceil(files / 2), Math.floor((bytes * 9) / 20)];
  const fileBytes = Math.ceil(share / half);
  const repositories = Math.ceil(half / FILES_PER_REPOSITORY);
  const sizes = [repositories, Math.ceil(share / repositories), fileBytes].map(String).join(" ");
  const rows = String(Math.floor((bytes - 2 * share) / ROW_BYTES));
  await onVm(`docker exec -i forgejo bash -s -- ${sizes}`, MAKE_REPOSITORIES);
  await query(`SET ROLE forgejo; CREATE TABLE bench AS SELECT row, (SELECT string_agg(md5(random()::text || row || part), '')
    FROM generate_series(1, ${String(ROW_BYTES / 32)}) part) AS text FROM generate_series(1, ${rows}) row;`);
  const client = s3Client(context);
  await inParallel([...Array(half).keys()], async (index) => {
    const key = `${PREFIX}${String(index % 100)}/${String(index)}`;
    await client.send(new PutObjectCommand({ Bucket: BUCKET, Key: key, Body: randomBytes(fileBytes) }));
  });
}

/** Removes it from the services. The backups keep it. */
export async function clear(context: VerifyContext): Promise<void> {
  await onVm(`docker exec forgejo rm -rf ${REPOSITORIES}`);
  await query("DROP TABLE IF EXISTS bench;");
  const client = s3Client(context);
  const pages = paginateListObjectsV2({ client }, { Bucket: BUCKET, Prefix: PREFIX });
  for await (const { Contents: page = [] } of pages) {
    const Objects = page.map(({ Key }) => ({ Key }));
    if (Objects.length > 0) await client.send(new DeleteObjectsCommand({ Bucket: BUCKET, Delete: { Objects } }));
  }
}

const query = (sql: string): Promise<string> =>
  onVm("docker exec -i postgres psql --quiet --set ON_ERROR_STOP=1 --username postgres --dbname forgejo", sql);
