"""The panel "Send a test callback" in an app's documentation page, for those who build the external API.

    mount_test_panel(app, dependencies=[Depends(signed_in)])

Off until it is mounted: whoever may use it lets this app call a URL of their choice, through the same guard
as every callback.
"""

from ringback.panel._mounting import SCRIPT, mount_test_panel

__all__ = ["SCRIPT", "mount_test_panel"]
