# Two commands: `make demo` shows the tool at work, `make test` runs everything that CI runs.

VENV   := .venv
PYTHON := $(VENV)/bin/python
# Debian packages: the compiler itself needs none of them, the demo and the kernel tests do.
DEBIAN := bpftool clang curl fish iperf3 iproute2 libbpf-dev libbpf1 linux-libc-dev linux-source-6.1 llvm mandoc nftables procps tcpdump tshark zsh
# What the lab builds kernels with, and boots those of Debian in.
DEBIAN += bc bison ccache ethtool flex gcc iptables iputils-ping libc6-dev libelf-dev linux-source-6.12 make pahole patch perl qemu-system-x86 xz-utils zlib1g-dev

.PHONY: demo test setup system check unit wheel golden soak mutants kernel-selftests debug-lab each-patch bench clean

demo: setup
	@$(PYTHON) -m optdsl demo samples/delack.opt

test: setup check unit wheel

setup: $(VENV)/.ready system

$(VENV)/.ready: pyproject.toml
	@echo "setting up $(VENV)"
	@python3 -m venv $(VENV)
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

# As root on Debian, installs what is missing; elsewhere the demo and the tests say what they lack.
system:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    missing=$$(for p in $(DEBIAN); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	    if [ -n "$$missing" ]; then \
	        echo "installing" $$missing; \
	        apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $$missing >/dev/null; \
	    fi; \
	fi

check:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(PYTHON) -m optdsl fmt --check samples stdlib

# What boots kernels of its own runs beside everything else, and is told of at the end; nothing of this machine is shared.
BOOTS := tests/kernel_patches tests/kernel_selftests tests/lab_kernels
unit:
	@if [ "$$OPTDSL_REQUIRE_KERNEL" = 1 ]; then $(PYTHON) -m optdsl lab build; fi
	@told=$$(mktemp); trap 'rm -f "$$told"' EXIT; \
	$(PYTHON) -m pytest $(BOOTS) >"$$told" 2>&1 & boots=$$!; \
	$(PYTHON) -m pytest $(BOOTS:%=--ignore=%); status=$$?; \
	wait $$boots || status=$$?; cat "$$told"; exit $$status

wheel:
	$(PYTHON) tests/wheel/try_wheel.py

golden:
	$(PYTHON) -m pytest --update-golden

# Ten thousand random programs on the kernel, as root; goes on where it was interrupted. SOAK='--programs 100 --from 7'.
soak: setup
	@PYTHONPATH=tests $(PYTHON) -m property.soak $(SOAK)

# Breaks the compiler in listed ways and shows which test notices each, as root; some minutes. MUTANTS='--only ceil'.
mutants: setup
	@PYTHONPATH=tests $(PYTHON) -m mutation.run $(MUTANTS)

# The kernel's own MPTCP selftests without and with our patches, as kernel-patches/6.12/selftests.md keeps them; half an
# hour for what has not been run before. SELFTESTS='--only pm_netlink.sh'.
kernel-selftests: setup
	@PYTHONPATH=tests $(PYTHON) -m kernel_selftests.compare $(SELFTESTS)

# All tests of the lab on a kernel with KASAN, lockdep, kmemleak and the like; whatever it complains of fails them.
debug-lab: setup
	OPTDSL_REQUIRE_KERNEL=1 OPTDSL_LAB_DEBUG=1 $(PYTHON) -m pytest tests/kernel_patches

# Builds and boots the kernel after each patch of the series; up to an hour, little of it again. EACH='--only 5'.
each-patch: setup
	@PYTHONPATH=tests $(PYTHON) -m kernel_patches.each_patch $(EACH)

# Writes docs/performance.md; ten minutes at most, on a machine that does nothing else.
bench: setup
	PYTHONPATH=tests $(PYTHON) -m performance.bench

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .hypothesis
