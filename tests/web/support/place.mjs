// Where things are.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const SOURCE = join(dirname(fileURLToPath(import.meta.url)), '../../..');
export const OUT = process.env.NM_WEB_OUT ?? join(SOURCE, 'build/web');
export const SHOTS = join(SOURCE, 'build/web-shots');
