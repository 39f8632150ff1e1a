"""Lab hosts: systemd-nspawn containers with real Kubernetes on one machine.

`contrib/lab` and the end-to-end tests are the two users of this package. README tells how the
hosts are made; lab.py is the place to start reading.
"""
