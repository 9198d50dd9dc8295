// What a Service says of the metrics behind it: the suite's own annotations, which a user may set on any Service, and
// which whoever sets up scraping goes by.

/** Annotations of a Service that is to be scraped. */
export const scrapeAnnotation = {
  scrape: 'monitoring.example.com/scrape',
  port: 'monitoring.example.com/port',
  path: 'monitoring.example.com/path',
  interval: 'monitoring.example.com/interval',
} as const

/** `port` is the name of the Service's port, `interval` a period such as 30s. */
export function scrapeAnnotations(scrape: { port: string; path: string; interval: string }): Record<string, string> {
  return {
    [scrapeAnnotation.scrape]: 'true',
    [scrapeAnnotation.port]: scrape.port,
    [scrapeAnnotation.path]: scrape.path,
    [scrapeAnnotation.interval]: scrape.interval,
  }
}
