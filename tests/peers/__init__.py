"""Our binary between phones that others wrote: baresip, pyVoIP, JsSIP in a browser."""
