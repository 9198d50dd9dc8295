// What well-known images need to run without root and on a read-only root file system. Everything here yields to the
// spec. An image is known by its repository, whatever registry it is pulled through.

/** What one image needs. */
export interface ImageNeeds {
  /** The port it listens on as it comes. */
  port: number
  /** Folders that it writes to. */
  writable: readonly string[]
}

const known: Readonly<Record<string, ImageNeeds>> = {
  // The configuration that comes with it listens on 80, keeps its pid in /var/run and its temporary files in
  // /var/cache/nginx: https://github.com/docker-library/docs/tree/master/nginx#running-nginx-in-read-only-mode
  nginx: { port: 80, writable: ['/var/cache/nginx', '/var/run'] },
  // Listens on 8080, pid and temporary files in /tmp: https://github.com/nginxinc/docker-nginx-unprivileged#readme
  'nginxinc/nginx-unprivileged': { port: 8080, writable: [] },
  // Listens on 80, pid in /usr/local/apache2/logs: https://hub.docker.com/_/httpd and the httpd.conf in it.
  httpd: { port: 80, writable: ['/usr/local/apache2/logs'] },
  // Flags of https://github.com/traefik/whoami#flags and https://github.com/hashicorp/http-echo#readme.
  'traefik/whoami': { port: 80, writable: [] },
  'hashicorp/http-echo': { port: 5678, writable: [] },
}

/** What is known of an image; undefined for all others. */
export function imageNeeds(reference: string): ImageNeeds | undefined {
  const repository = repositoryOf(reference)
  return Object.hasOwn(known, repository) ? known[repository] : undefined
}

/**
 * `docker.io/library/nginx:1.21` → `nginx`, `ghcr.io/traefik/whoami@sha256:…` → `traefik/whoami`. Somebody's own
 * `team/nginx` may be something else altogether, so it stays what it is.
 */
function repositoryOf(reference: string): string {
  const [path = ''] = reference.split('@')
  const parts = path.split('/')
  const last = (parts.pop() ?? '').split(':')[0] ?? ''
  if (parts.length > 0 && /[.:]|^localhost$/.test(parts[0] ?? '')) parts.shift()
  if (parts[0] === 'library') parts.shift()
  return [...parts, last].join('/')
}
