/** One service as the landing page shows it. */
export interface LandingEntry {
  readonly name: string;
  readonly url: string;
  readonly purpose: string;
}

/** What the landing page says. */
export interface LandingPage {
  readonly domain: string;
  readonly entries: readonly LandingEntry[];
  /** public SSH host keys of the forge, `type base64` */
  readonly sshHostKeys: readonly string[];
}

/** The page at the foundation's own name: what there is and how to trust it. No script, no request elsewhere. */
export function landingPage(page: LandingPage): string {
  const rows = page.entries.map(
    ({ name, url, purpose }) =>
      `<tr><th scope="row">${escape(name)}</th><td>${link(url)}</td><td>${escape(purpose)}</td></tr>`,
  );
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(page.domain)}</title>
<style>
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { max-width: 46rem; margin: 3rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 0.5rem 1rem 0.5rem 0; border-top: 1px solid #8886; }
code { overflow-wrap: anywhere; }
</style>
<h1>${escape(page.domain)}</h1>
<table>
${rows.join("\n")}
</table>
<h2>Trust</h2>
<p>CA certificate: <a href="/ca.crt">ca.crt</a>. SSH host keys of the forge:</p>
${page.sshHostKeys.map((key) => `<p><code>${escape(key)}</code></p>`).join("\n")}
</html>
`;
}

function link(url: string): string {
  return url.startsWith("http") ? `<a href="${escape(url)}">${escape(url)}</a>` : `<code>${escape(url)}</code>`;
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${String(character.charCodeAt(0))};`);
}
