// `operator-hooks serve` with a kind of two versions beside those of the suite, for admission.test.ts.
import { run } from '../../hooks/cli/serve.ts'
import { definitions } from '../../hooks/kinds/index.ts'
import { parcel } from '../sdk/parcel.ts'

process.exitCode = await run(process.argv.slice(2), [parcel, ...definitions])
