"""What tells Asterisk things and what asks it: pjsip's config and its plan, voice mail, AMI, ARI by HTTP, the drop-in.

The Stasis application, which owns calls, is in `connector/ari_app`.
"""
