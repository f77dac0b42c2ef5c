"""Our binary between phones that others wrote: baresip, pyVoIP."""
