"""moto's server, held to what AWS Secrets Manager documents where moto is laxer.

Each rule names its source in the service's API reference.
"""

import functools
import sys
import threading

from moto.secretsmanager import exceptions, models
from moto.server import main

BACKEND = models.SecretsManagerBackend
CURRENT = "AWSCURRENT"


def holder(secret, stage):
    """The version that has a stage."""
    found = (name for name, version in secret.versions.items() if stage in version["version_stages"])
    return next(found, None)


def alive(backend, secret_id):
    """The secret; refused where it is scheduled for deletion."""
    if secret_id not in backend.secrets:
        raise exceptions.SecretNotFoundException()
    secret = backend.secrets[secret_id]
    if secret.is_deleted():
        raise exceptions.InvalidRequestException("You can't perform this operation: marked for deletion.")
    return secret


def before(name, check):
    """Runs a check before a method."""
    method = getattr(BACKEND, name)

    @functools.wraps(method)
    def checked(self, *args, **arguments):
        check(self, *args, **arguments)
        return method(self, *args, **arguments)

    setattr(BACKEND, name, checked)


def changes_a_live_secret(backend, secret_id, *_, **__):
    """PutSecretValue, TagResource, …: InvalidRequestException, "The secret is scheduled for deletion"."""
    alive(backend, secret_id)


def creates_no_deleted_secret(backend, name, **_):
    """CreateSecret: InvalidRequestException, for the same reason."""
    if name in backend.secrets:
        secret = backend.secrets[name]
        if secret.is_deleted():
            raise exceptions.InvalidRequestException("a secret with this name is already scheduled for deletion.")


def names_who_has_the_stage(backend, secret_id, version_stage, remove_from_version_id, **_):
    """UpdateSecretVersionStage: RemoveFromVersionId must name the version that has the stage."""
    secret = alive(backend, secret_id)
    if holder(secret, version_stage) != (remove_from_version_id or None):
        raise exceptions.InvalidParameterException("The stage is attached to another version.")


def moves_what_is_read():
    """GetSecretValue, BatchGetSecretValue: without a version, the one with AWSCURRENT; moto: the last one put so."""
    method = BACKEND.update_secret_version_stage

    @functools.wraps(method)
    def moved(self, secret_id, **arguments):
        answer = method(self, secret_id=secret_id, **arguments)
        secret = self.secrets[secret_id]
        secret.set_default_version_id(holder(secret, CURRENT))
        return answer

    BACKEND.update_secret_version_stage = moved


def lists_times_of_versions():
    """ListSecretVersionIds: CreatedDate is when the version was made; moto: now."""
    method = BACKEND.list_secret_version_ids

    @functools.wraps(method)
    def listed(self, secret_id):
        if secret_id not in self.secrets:
            raise exceptions.SecretNotFoundException()
        answer = models.json.loads(method(self, secret_id))
        for version in answer["Versions"]:
            version["CreatedDate"] = self.secrets[secret_id].versions[version["VersionId"]]["createdate"]
        return models.json.dumps(answer)

    BACKEND.list_secret_version_ids = listed


def answers_400():
    """Common errors: ResourceNotFoundException has status 400; moto: 404."""
    for name in ("SecretNotFoundException", "ResourceNotFoundException", "SecretHasNoValueException"):
        error = getattr(exceptions, name)
        method = error.__init__

        def made(self, *args, method=method):
            method(self, *args)
            self.code = 400

        error.__init__ = made


def one_at_a_time(name, lock):
    """A request takes effect as a whole; moto serves each on a thread of its own."""
    method = getattr(BACKEND, name)

    @functools.wraps(method)
    def alone(self, *args, **arguments):
        with lock:
            return method(self, *args, **arguments)

    setattr(BACKEND, name, alone)


answers_400()
moves_what_is_read()
lists_times_of_versions()
for changing in ("put_secret_value", "tag_resource", "untag_resource"):
    before(changing, changes_a_live_secret)
before("create_secret", creates_no_deleted_secret)
before("update_secret_version_stage", names_who_has_the_stage)
LOCK = threading.RLock()
for called in (
    "batch_get_secret_value create_secret delete_secret describe_secret get_secret_value list_secret_version_ids "
    "list_secrets put_secret_value restore_secret tag_resource untag_resource update_secret "
    "update_secret_version_stage"
).split():
    one_at_a_time(called, LOCK)

main(sys.argv[1:])
