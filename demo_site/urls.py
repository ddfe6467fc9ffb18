from __future__ import annotations

from django.urls import include, path

from . import api, views

urlpatterns = [
    path("", views.home, name="home"),
    path("events/<int:event>/", views.event_page, name="event"),
    path("events/<int:event>/buy/", views.buy, name="buy"),
    path("users/", views.users, name="users"),
    path("users/<str:handle>/", views.user_page, name="user"),
    path("sign-in/", views.sign_in, name="sign-in"),
    path("sign-out/", views.sign_out, name="sign-out"),
    path("sign-out/everywhere/", views.sign_out_everywhere, name="sign-out-everywhere"),
    path("thumbs/", include("nothing_shared.thumbnails.urls")),
    path("media/<path:path>", views.media, name="media"),
    path("health/", views.health, name="health"),
    path("api/events/", api.events, name="api-events"),
    path("api/events/<int:event>/", api.event, name="api-event"),
    path("api/events/<int:event>/buy/", api.buy, name="api-buy"),
]
