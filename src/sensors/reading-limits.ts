/** What a reading may hold at most. */

/** Longest id or status, in UTF-16 units. */
export const TEXT_LENGTH_MAX = 256

/** Absolute zero in °C: nothing is colder. */
export const TEMPERATURE_MIN = -273.15

/** The Planck temperature in °C: no theory knows anything hotter. */
export const TEMPERATURE_MAX = 1.416784e32
