// OpenTelemetry spans, one a hook request. Nothing of it is loaded unless OTEL_EXPORTER_OTLP_ENDPOINT is set.
import type { IncomingHttpHeaders } from 'node:http'
import type { Build } from './build.ts'

/** Makes spans and sends them. */
export interface Traces {
  /** Begins a span, below the caller's if a `traceparent` header names one. */
  start(route: string, headers: IncomingHttpHeaders): Traced
  /** Sends what has ended; never throws. */
  flush(): Promise<void>
  close(): Promise<void>
}

/** A span that has begun. */
export interface Traced {
  /** Names, counts and decisions; never a value out of an object. */
  say(attributes: Record<string, string | number | boolean>): void
  end(status: number): void
}

/**
 * Traces as the OTEL_ environment variables say (endpoint, headers, sampler, service name, resource attributes; spans go
 * out as OTLP over HTTP in JSON); undefined when there is no endpoint.
 */
export async function tracesFromEnvironment(env: NodeJS.ProcessEnv, build: Build): Promise<Traces | undefined> {
  const endpoint = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || env.OTEL_EXPORTER_OTLP_ENDPOINT
  if (!endpoint || env.OTEL_SDK_DISABLED === 'true' || env.OTEL_TRACES_EXPORTER === 'none') return undefined
  const [
    api,
    { BasicTracerProvider, BatchSpanProcessor },
    { OTLPTraceExporter },
    resources,
    { W3CTraceContextPropagator },
  ] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace-base'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/core'),
  ])
  const named = { 'service.name': 'operator-hooks', 'service.version': build.version, 'service.build': build.id }
  const provider = new BasicTracerProvider({
    // What the environment says of the service goes before what it says of itself.
    resource: resources
      .resourceFromAttributes(named)
      .merge(resources.detectResources({ detectors: [resources.envDetector] })),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
  })
  const tracer = provider.getTracer('operator-hooks', build.version)
  const propagator = new W3CTraceContextPropagator()
  return {
    start(route, headers) {
      const parent = propagator.extract(api.ROOT_CONTEXT, headers, api.defaultTextMapGetter)
      const attributes = { 'http.request.method': 'POST', 'http.route': route }
      const span = tracer.startSpan(`POST ${route}`, { kind: api.SpanKind.SERVER, attributes }, parent)
      return {
        say: (more) => void span.setAttributes(more),
        end(status) {
          span.setAttribute('http.response.status_code', status)
          if (status >= 500) span.setStatus({ code: api.SpanStatusCode.ERROR })
          span.end()
        },
      }
    },
    // A collector that is away costs spans, never an answer or a stop.
    flush: () => provider.forceFlush().catch(() => undefined),
    close: () => provider.shutdown().catch(() => undefined),
  }
}
