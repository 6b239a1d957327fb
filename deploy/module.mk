# What ./demo and ./check use; nothing of it is installed.
EXTRA_DIST += deploy/packages.sh deploy/demo/demo.py deploy/demo/layout.py deploy/demo/prepare.py deploy/demo/parts.py deploy/demo/supervisor.py \
	deploy/demo/example.json deploy/demo/chats.json deploy/demo/count deploy/demo/mounts deploy/demo/strength deploy/demo/tally
# Containers. compose.yaml builds from the sources; make check-containers tries all of it with the engines of this machine.
# One by one: secrets lie beside them.
EXTRA_DIST += .dockerignore deploy/docker/Dockerfile deploy/docker/compose.yaml deploy/docker/compose.engines.yaml deploy/docker/.env \
	deploy/docker/secrets/README deploy/docker/app deploy/docker/db
.PHONY: check-containers
check-containers:
	$(srcdir)/tests/containers/run
