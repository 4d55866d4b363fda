// kafkajs compresses only by gzip itself; the other codecs are given to it here, each by a package of the registry.
'use strict';

const { CompressionCodecs, CompressionTypes } = require('kafkajs');
const snappy = require('kafkajs-snappy');
const lz4 = require('lz4-napi');
const { ZstdCodec } = require('zstd-codec');

// The WebAssembly of zstd-codec is ready a moment after the start.
const zstd = new Promise(resolve => ZstdCodec.run(codec => resolve(new codec.Streaming())));

const ZSTD_LEVEL = 3;

/** Makes all codecs known to kafkajs. */
function install() {
  CompressionCodecs[CompressionTypes.Snappy] = snappy;
  // The frame format, whose blocks are independent: Kafka refuses others.
  CompressionCodecs[CompressionTypes.LZ4] = () => ({
    compress: async encoder => lz4.compressFrame(encoder.buffer),
    decompress: async buffer => lz4.decompressFrame(buffer),
  });
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({
    compress: async encoder => Buffer.from((await zstd).compress(encoder.buffer, ZSTD_LEVEL)),
    // By stream, because other clients do not write the size of the content.
    decompress: async buffer => Buffer.from((await zstd).decompress(buffer)),
  });
}

const TYPES = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
};

module.exports = { TYPES, install };
