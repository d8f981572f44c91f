# The server with ONNX Runtime, libjpeg-turbo, the shipped models and configuration.
#
#   docker build -t stillhouse .
#   docker run --rm -p 8080:8080 stillhouse

# The shared library, from the pinned wheel; its checksums are in the repository.
FROM python:3.11-slim-bookworm AS onnxruntime
WORKDIR /fetch
COPY scripts/onnxruntime.sh scripts/onnxruntime.sha256 scripts/
RUN scripts/onnxruntime.sh --required

FROM rust:1.95.0-slim-bookworm AS build
# Debian keeps one version of a package at a time: a version pinned here would break the build at its next update.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends cmake make nasm python3 \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
# What `stillhouse --version` calls the revision: docker build --build-arg REVISION=$(git rev-parse --short HEAD)
ARG REVISION
ENV STILLHOUSE_REVISION=$REVISION
# Cache mounts outlive this layer, so that only changed crates are compiled again. They aren't part of the image, so the
# program is copied out of them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked --bin stillhouse --features turbojpeg \
    && install -D --strip target/release/stillhouse /out/stillhouse \
    && scripts/third_party_licences.py /out/third-party-licences.txt --features turbojpeg \
    && cp "$(rustc --print sysroot)/share/doc/rust/COPYRIGHT-library.html" /out/rust-library-copyright.html \
    && /out/stillhouse man --out /out/man1 \
    && /out/stillhouse completions bash > /out/stillhouse.bash \
    && mkdir /out/state

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="stillhouse" \
      org.opencontainers.image.description="A model server for distilled image classifiers" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=onnxruntime /fetch/target/onnxruntime/ /opt/stillhouse/onnxruntime/
COPY --from=build /out/stillhouse /opt/stillhouse/bin/
COPY LICENSE-MIT LICENSE-APACHE /opt/stillhouse/
# Of what is linked or shipped beside it: all crates and the C code in them, Rust's library, ONNX Runtime and what that contains.
COPY --from=build /out/third-party-licences.txt /out/rust-library-copyright.html /usr/share/doc/stillhouse/
COPY --from=onnxruntime /fetch/target/onnxruntime/LICENSE /usr/share/doc/stillhouse/onnxruntime-LICENSE
COPY --from=onnxruntime /fetch/target/onnxruntime/ThirdPartyNotices.txt /usr/share/doc/stillhouse/onnxruntime-ThirdPartyNotices.txt
COPY --from=build /out/man1/ /usr/share/man/man1/
COPY --from=build /out/stillhouse.bash /usr/share/bash-completion/completions/stillhouse
COPY config/stillhouse.toml /opt/stillhouse/config/
# The models, to which uploads add versions. A new volume begins with those of the image.
COPY --chown=65532:65532 models/ /opt/stillhouse/models/
# The deployment, the audit log and the evidence about canaries are written here. Volumes keep both folders when the container is
# removed.
COPY --from=build --chown=65532:65532 /out/state /var/lib/stillhouse
VOLUME ["/opt/stillhouse/models", "/var/lib/stillhouse"]
WORKDIR /opt/stillhouse
ENV PATH=/opt/stillhouse/bin:$PATH \
    ORT_DYLIB_PATH=/opt/stillhouse/onnxruntime \
    STILLHOUSE__SERVER__LISTEN=0.0.0.0:8080 \
    STILLHOUSE__CONTROL__STATE_PATH=/var/lib/stillhouse
# The admin plane listens on the container's loopback address. To reach it from outside, set
# STILLHOUSE__SERVER__ADMIN_LISTEN=0.0.0.0:8081 and STILLHOUSE_OPERATOR_TOKEN; without a token the server refuses to start so.
EXPOSE 8080 8081
# Not root; this user owns nothing but the folders of models and state.
USER 65532:65532
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["stillhouse", "health"]
ENTRYPOINT ["stillhouse"]
CMD ["serve"]
