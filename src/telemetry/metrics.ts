import { Counter, Gauge, Histogram, Registry } from 'prom-client'

export type { Counter, Gauge, Histogram } from 'prom-client'

/** Name (`shoal_<module>_<what>_<unit>[_total]`), help and labels of a metric; labels are never a PeerId, digest or repository. */
export interface MetricInit<L extends string> {
  readonly name: string
  readonly help: string
  readonly labels?: readonly L[]
}

/**
 * The metrics of one process. Each module declares its own in a `metrics.ts` from these factories.
 * Owns the values; `render` is the Prometheus text format.
 */
export class Metrics {
  readonly #registry = new Registry()

  /** `collect` is called before each render, to add what was counted elsewhere because it happens too often. */
  counter<L extends string = never>(init: MetricInit<L>, collect?: (counter: Counter<L>) => void): Counter<L> {
    const counter: Counter<L> = new Counter<L>({
      name: init.name,
      help: init.help,
      labelNames: init.labels ?? [],
      registers: [this.#registry],
      ...(collect === undefined ? {} : { collect: () => collect(counter) }),
    })
    return counter
  }

  /** `collect` is called before each render, to set a value that is read rather than followed. */
  gauge<L extends string = never>(init: MetricInit<L>, collect?: (gauge: Gauge<L>) => void): Gauge<L> {
    const gauge: Gauge<L> = new Gauge<L>({
      name: init.name,
      help: init.help,
      labelNames: init.labels ?? [],
      registers: [this.#registry],
      ...(collect === undefined ? {} : { collect: () => collect(gauge) }),
    })
    return gauge
  }

  histogram<L extends string = never>(init: MetricInit<L> & { readonly buckets: readonly number[] }): Histogram<L> {
    return new Histogram<L>({
      name: init.name,
      help: init.help,
      labelNames: init.labels ?? [],
      buckets: [...init.buckets],
      registers: [this.#registry],
    })
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** All metrics in Prometheus text format. */
  async render(): Promise<string> {
    return await this.#registry.metrics()
  }
}
