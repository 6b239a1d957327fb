# What is measured. Built only on demand: make bench-programs
EXTRA_PROGRAMS += bench/template
bench_template_SOURCES = bench/template.c
bench_template_LDADD = libteleops.a $(JSON_LIBS)

bench-programs: $(EXTRA_PROGRAMS)
.PHONY: bench-programs
CLEANFILES += $(EXTRA_PROGRAMS)
