# What is measured: bench/run. Its programs are built only on demand: make bench-programs
EXTRA_PROGRAMS += bench/template bench/bare.fcgi bench/limits
bench_template_SOURCES = bench/template.c
bench_template_LDADD = libteleops.a $(JSON_LIBS)
bench_bare_fcgi_SOURCES = bench/bare.c
bench_bare_fcgi_LDADD = $(FCGI_LIBS)
bench_limits_SOURCES = bench/limits.c engine/runner.c engine/supervisor.c engine/policy.c engine/program.c
bench_limits_LDADD = libteleops.a $(PQ_LIBS) $(JSON_LIBS) -lm

bench-programs: $(EXTRA_PROGRAMS)
.PHONY: bench-programs
CLEANFILES += $(EXTRA_PROGRAMS)
EXTRA_DIST += bench/run bench/bed.py bench/beside.py bench/chart.py bench/claim.py bench/drain.py bench/figures.py bench/idle.py bench/ingest.py bench/instructions.py bench/instructions.txt bench/latency.py bench/floor.py bench/growth.py bench/machine.py bench/pages.py bench/pickup.py bench/profiles.py bench/report.py bench/startup.py bench/tasks.py \
	bench/post.lua bench/peers
