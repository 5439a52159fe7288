/** The rows of the table of settings that savepoints and going back to one take. */
import { optional, toggle } from './setting-rows.ts'
import * as kinds from './setting-values.ts'

const ONCE = { oneShot: true } as const

/** The rows. */
export const SAVEPOINT_SETTINGS = {
  fromSavepoint: optional(
    kinds.text(),
    'name',
    'Goes back to this savepoint first, unless the application already began anew with it.',
    ONCE,
  ),
  republish: toggle(
    'false',
    'With --from-savepoint: also where results published since will come a second time.',
    ONCE,
  ),

  savepointDir: optional(
    kinds.text(),
    'dir',
    'Where savepoints are kept, in a folder for each application. Default: savepoints in the data directory.',
  ),
  savepointName: optional(kinds.text(), 'name', 'What the savepoint is called. Default: the time.', {
    flag: 'name',
    ...ONCE,
  }),
  stopAfter: toggle('false', 'Has all instances end once the savepoint is taken.', { flag: 'stop', ...ONCE }),
} as const
