<?php echo getenv("GREETING"), " from PHP ", PHP_MAJOR_VERSION, "\n";
