# syntax=docker/dockerfile:1
# The hook service: Node 24 without a shell, the bundle, and a compile cache. To build elsewhere than with these
# images, or with newer ones, give both arguments; `docker buildx imagetools inspect node:24-trixie-slim` shows a digest.
ARG BUILD_IMAGE=node:24-trixie-slim@sha256:8ec5d7557396cfe32d21c3f9c13072355ceab22b584578ca4bb28af31120cffe
ARG RUNTIME_IMAGE=gcr.io/distroless/nodejs24-debian13:nonroot@sha256:fbbdda866ea71aef98c4abece17e3d61fbf820cc2ef3961522caa2478716171a

# The bundle has the same bytes whatever platform it is made on.
FROM --platform=$BUILDPLATFORM ${BUILD_IMAGE} AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
# The image is Node 24 itself, and no package needs its install script to make the bundle.
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts
COPY . .
RUN node scripts/build.ts && find dist -name '*.map' -delete && cp LICENSE dist/

# What Node compiled once it need not compile at every start. The cache fits one Node, one user and one path, so it is
# made by the very image that will use it, which has no shell: hence a program.
FROM ${RUNTIME_IMAGE} AS warm
COPY --from=build --chown=65532:65532 /src/dist /app
COPY --from=build /src/scripts/warm.mjs /warm.mjs
USER 65532:65532
ENV NODE_COMPILE_CACHE=/app/compile-cache
RUN ["/nodejs/bin/node", "/warm.mjs", "/app/operator-hooks.mjs"]

FROM ${RUNTIME_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="operator-hooks" \
      org.opencontainers.image.description="Kubernetes operators as pure functions: stateless Metacontroller webhooks" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Owned by root and read by 65532: the service cannot change what it runs.
COPY --from=warm --chown=0:0 --chmod=0555 /app /app
# A request is some 80 kB that live for a millisecond. Left alone, V8 lets its young generation grow to 128 MB for them,
# and glibc keeps what they leave behind: 235 MB resident where below 120 do (npm run bench -- memory).
ENV NODE_ENV=production \
    NODE_COMPILE_CACHE=/app/compile-cache \
    NODE_OPTIONS=--max-semi-space-size=1 \
    MALLOC_MMAP_THRESHOLD_=16384 \
    MALLOC_TRIM_THRESHOLD_=131072 \
    OPERATOR_HOOKS_HOST=0.0.0.0
WORKDIR /app
USER 65532:65532
EXPOSE 8080 9090
# The base image's entrypoint is Node itself.
ENTRYPOINT ["/nodejs/bin/node", "/app/operator-hooks.mjs"]
CMD ["serve"]
