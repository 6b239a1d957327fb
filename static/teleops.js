// What makes the pages nicer; none of it is needed.
"use strict";
