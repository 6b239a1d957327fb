# What is measured: bench/run. Its programs are built only on demand: make bench-programs
EXTRA_PROGRAMS += bench/template bench/bare.fcgi bench/limits
bench_template_SOURCES = bench/template.c
bench_template_LDADD = libteleops.a $(JSON_LIBS)
bench_bare_fcgi_SOURCES = bench/bare.c
bench_bare_fcgi_LDADD = $(FCGI_LIBS)
bench_limits_SOURCES = bench/limits.c engine/runner.c engine/supervisor.c engine/policy.c engine/program.c engine/work_dir.c
bench_limits_LDADD = libteleops.a $(PQ_LIBS) $(JSON_LIBS) -lm

bench-programs: $(EXTRA_PROGRAMS)
.PHONY: bench-programs
CLEANFILES += $(EXTRA_PROGRAMS)
EXTRA_DIST += bench/bed.py bench/beside.py bench/chart.py bench/claim.py bench/drain.py bench/figures.py bench/floor.py bench/growth.py \
	bench/idle.py bench/ingest.py bench/instructions.py bench/instructions.txt bench/latency.py bench/machine.py bench/pages.py bench/peers \
	bench/pickup.py bench/post.lua bench/profiles.py bench/report.py bench/run bench/spent.py bench/startup.py bench/targets.py bench/tasks.py
