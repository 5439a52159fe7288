/** What a plan keeps of the settings, and what is made of it again. */
import type { BackfillPlan, LateMode } from '../jobs/backfill/backfill-record.ts'
import type { SensorSerdes } from '../sensors/sensor-serdes.ts'
import { sensorTopology } from '../sensors/sensor-topology.ts'
import type { Topology } from '../topology/topology.ts'
import { AGGREGATOR_SETTINGS, topologyOptions } from './aggregator.ts'
import type { Settings } from './settings.ts'

/** Longer than any log: windows stay open, and event ids are remembered, until the run ends. */
const HELD_GRACE_MS = 1_000 * 365 * 86_400_000

/** The settings that decide how readings become results, as plain JSON. */
export function plannedSettings(settings: Settings): Readonly<Record<string, unknown>> {
  const kept = AGGREGATOR_SETTINGS.map((key) => [key, settings[key]] as const)
  return Object.fromEntries(kept.filter(([, value]) => value !== undefined))
}

/** The settings of a call, with those that were planned in place of its own. */
export function settingsOfPlan(settings: Settings, plan: BackfillPlan): Settings {
  const own = Object.fromEntries(AGGREGATOR_SETTINGS.map((key) => [key, plan.settings[key]]))
  return { ...settings, ...own }
}

/** The topology that is run: as it is, or with windows that wait for every late reading. */
export function workedTopology(settings: Settings, serdes: SensorSerdes, late: LateMode): Topology {
  const options = topologyOptions(settings)
  return sensorTopology(late === 'include' ? { ...options, graceMs: HELD_GRACE_MS } : options, serdes)
}
