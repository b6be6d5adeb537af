"""What all tests share: hypothesis without deadlines, which a busy machine would break."""

from hypothesis import settings

settings.register_profile("house", deadline=None)
settings.load_profile("house")
