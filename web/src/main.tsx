import { render } from 'preact';

import './styles/tokens.css';
import './styles/base.css';
import './styles/shell.css';
import './styles/pages.css';
import { App } from './app';
import { startClock } from './store/clock';
import { findSession } from './store/session';
import { startSettings } from './store/settings';
import { startKeys } from './ui/keys';

startSettings();
startClock();
startKeys();
void findSession();
const root = document.getElementById('app');
if (root) render(<App />, root);
