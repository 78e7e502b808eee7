/**
 * What the process says about itself: structured logs and Prometheus metrics.
 * Promise: the only importer of pino and prom-client; a log line or a metric never fails the work it describes.
 * Owns: the metric registry of the process.
 */
export { createLogger, type Logger, type LoggerInit, type LogLevel, silentLogger } from './logger.ts'
export { type Counter, type Gauge, type Histogram, type MetricInit, Metrics } from './metrics.ts'
